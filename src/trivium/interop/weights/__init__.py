"""The weights of folders: files of tensors, and how they become a model."""
