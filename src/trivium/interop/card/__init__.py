"""The card of a model folder: its README.md."""
