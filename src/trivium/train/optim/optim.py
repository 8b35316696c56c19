"""Optimizers: how gradients change parameters. The family, and what its kinds share."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from trivium.base.config import Choice
from trivium.model.init import Init
from trivium.train.parallel.part import local, settle, split, square_sum
from trivium.train.parallel.world import World

BLOCK = 1 << 17
"""The numbers of a parameter that are read or changed together: with their means, 2 MiB."""


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

    def chosen(self, model: nn.Module, tokens: int) -> "Optim":
        """Return the optimizer that is built where a step has so many tokens: another one, if this only chooses."""
        return self


def groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the trainable parameters as (decay, no_decay): norms, biases and embeddings have no weight decay."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    decay: list[nn.Parameter] = []
    no_decay: list[nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (no_decay if parameter.ndim < 2 or id(parameter) in tables else decay).append(parameter)
    return decay, no_decay


def by_rate(model: nn.Module, group: dict[str, Any], power: float = 1.0) -> list[dict[str, Any]]:
    """Split a group by the rates that the initial weights of the model ask for; without such rates, return it alone.

    A part takes its rate to the `power` in `lr_scale`, and divides its weight decay by it: the share that a step takes
    stays the same.
    """
    init = getattr(getattr(model, "config", None), "init", None)
    rates = init.rates(model) if isinstance(init, Init) else {}
    parts: dict[float, list[nn.Parameter]] = {}
    for one in group["params"]:
        parts.setdefault(rates.get(one, 1.0) ** power, []).append(one)
    scale, decay = group.get("lr_scale", 1.0), group["weight_decay"]
    return [
        {**group, "params": params} | ({} if rate == 1.0 else {"lr_scale": scale * rate, "weight_decay": decay / rate})
        for rate, params in parts.items()
    ]


def total_norm(parameters: Iterable[nn.Parameter], world: World = World()) -> Tensor:
    """Return the norm of all gradients, in float32 also where they are not; of a split model over all processes."""
    parameters = [parameter for parameter in parameters if parameter.grad is not None]
    if any(split(one.grad) for one in parameters):
        settle(parameters)
        return torch.tensor(world.sum(square_sum((one.grad for one in parameters), world.size))[0]).sqrt()
    grads: list[Tensor] = []
    for parameter in parameters:  # what is not float32 becomes it in the cache, piece by piece
        if (grad := parameter.grad) is not None:
            grads += (grad,) if grad.dtype == torch.float32 else pieces(grad.contiguous())
    norms = torch._foreach_norm(grads, 2, torch.float32) if grads else (torch.zeros(()),)
    return torch.linalg.vector_norm(torch.stack(norms))


def pieces(tensor: Tensor) -> Sequence[Tensor]:
    """Return a contiguous tensor in pieces that stay in the cache of a core; a small one is a piece as it is."""
    return (tensor,) if tensor.numel() <= BLOCK and tensor.is_contiguous() else tensor.view(-1).split(BLOCK)


def clip(optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], norm: float, most: float) -> None:
    """Limit the norm of all gradients to `most`, 0 for no limit: in the step itself where the optimizer is fused."""
    factor = most / (norm + 1e-6) if most else 1.0
    if isinstance(optimizer, torch.optim.AdamW) and optimizer.defaults["fused"]:
        optimizer.grad_scale = torch.tensor(1 / factor) if factor < 1 else None  # type: ignore[attr-defined]
    elif factor < 1:
        grads = [local(parameter.grad) for parameter in parameters if parameter.grad is not None]
        torch._foreach_mul_(grads, factor)
