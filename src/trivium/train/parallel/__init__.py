"""Several processes: who they are, and how a model and its checkpoints are laid over them."""
