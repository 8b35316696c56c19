"""The ways of computing a model, one file each."""
