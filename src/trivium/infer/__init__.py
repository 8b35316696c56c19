"""Inference: sampling, beam search, generation with a cache, conversations, vectors and scores of heads."""
