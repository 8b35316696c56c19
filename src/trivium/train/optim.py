"""Optimizers: how gradients change parameters."""

import torch
from pydantic import Field
from torch import nn

from trivium.base.config import Choice


class Optim(Choice):
    """An optimizer. `lr` is the peak that the schedule multiplies.

    A parameter group may have a key `lr_scale`: the loop multiplies the learning rate of the group by it.
    """

    lr: float = Field(3e-4, gt=0, le=100)
    """The peak of the learning rate."""
    weight_decay: float = Field(0.1, ge=0, le=100)
    """The share, times the learning rate, that a step takes from matrices; norms, biases and embeddings keep theirs."""

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return a torch optimizer of the model's trainable parameters."""
        raise NotImplementedError


class AdamW(Optim, kind="adamw"):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101), fused."""

    beta1: float = Field(0.9, ge=0, lt=1)
    """The decay of the mean of gradients."""
    beta2: float = Field(0.95, ge=0, lt=1)
    """The decay of the mean of squared gradients."""
    eps: float = Field(1e-8, gt=0, lt=1)
    """Is added to the root of the mean of squares."""

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        decay, no_decay = groups(model)
        tables = [{"params": decay, "weight_decay": self.weight_decay}, {"params": no_decay, "weight_decay": 0.0}]
        tables = [table for table in tables if table["params"]]
        return torch.optim.AdamW(tables, self.lr, (self.beta1, self.beta2), self.eps, fused=True)


def groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the trainable parameters as (decay, no_decay): norms, biases and embeddings have no weight decay."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    decay: list[nn.Parameter] = []
    no_decay: list[nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (no_decay if parameter.ndim < 2 or id(parameter) in tables else decay).append(parameter)
    return decay, no_decay
