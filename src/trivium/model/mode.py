"""The mode of a model: evaluation for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run a block without dropout and without gradients; restore the model's mode afterwards."""
    training = model.training
    if training:  # to set a mode is a walk over all modules
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if training:
            model.train()
