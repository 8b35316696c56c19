"""Using a model: sampling, generation with a cache, conversations."""
