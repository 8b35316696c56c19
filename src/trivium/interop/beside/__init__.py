"""The files of a model folder beside its config and weights: how texts are generated, pictures, the tokenizer."""
