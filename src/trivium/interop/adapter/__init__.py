"""Adapters in the files of peft: written from ours, read by adding them to the weights of a model."""
