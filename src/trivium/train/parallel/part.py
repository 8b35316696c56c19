"""The part of a tensor that this process has: what optimizers and norms work on where a model is split.

AdamW, averages and norms work number by number, so parts need nothing of each other. A tensor that is not split is its
own part. This file imports none of PyTorch's distributed tensors: they cost seconds.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def split(tensor: Any) -> bool:
    """Return whether a tensor is a distributed one."""
    return hasattr(tensor, "device_mesh")


def local(tensor: Any) -> Any:
    """Return the numbers of a tensor that this process has, in the same memory."""
    return tensor.to_local() if split(tensor) else tensor


def whole(tensor: Any) -> Tensor:
    """Return all numbers of a tensor; all processes that have a part must ask."""
    return tensor.full_tensor() if split(tensor) else tensor  # type: ignore[no-any-return]


def alike(tensor: Any, part: Tensor) -> Tensor:
    """Return a tensor that is split as another one, of which this process has a part."""
    if not split(tensor):
        return part
    shape = {"shape": tensor.shape, "stride": tensor.stride()}
    return type(tensor.detach()).from_local(part, tensor.device_mesh, tensor.placements, run_check=False, **shape)  # type: ignore[attr-defined, no-any-return]


def cut(full: Tensor, tensor: Any) -> Tensor:
    """Return the part that this process has of numbers which are split as a tensor."""
    if not split(tensor):
        return full
    from torch.distributed.tensor import DTensor, Replicate

    mesh = tensor.device_mesh
    there = DTensor.from_local(full, mesh, [Replicate()] * mesh.ndim, run_check=False)
    return there.redistribute(placements=tensor.placements).to_local()  # type: ignore[no-any-return]


def settle(parameters: Iterable[Tensor]) -> None:
    """Add up gradients of which each process has a summand, so that they are laid out as their weights are."""
    for one in parameters:
        if split(one.grad) and one.grad.placements != one.placements:  # type: ignore[union-attr, attr-defined]
            one.grad = one.grad.redistribute(placements=one.placements)  # type: ignore[union-attr, attr-defined]


def copies(tensor: Any, processes: int) -> int:
    """Return how many of so many processes have the same part of a tensor as this one."""
    if not split(tensor):
        return processes
    parts = 1
    for size, place in zip(tensor.device_mesh.shape, tensor.placements, strict=True):
        parts *= 1 if place.is_replicate() else size
    return processes // parts


def square_sum(tensors: Iterable[Any], processes: int) -> float:
    """Return the share of this process in the sum of the squares of all numbers, each counted once over all."""
    total = 0.0
    for one in tensors:
        mine = local(one)
        total += float(torch.linalg.vector_norm(mine, dtype=torch.float32).double().square()) / copies(one, processes)
    return total
