"""Training: the loop, losses, optimizers, checkpoints. It knows batches, but no class of model and no task."""
