"""AdamW, the optimizer of every preset."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from trivium.train.optim.optim import BLOCK, Optim, by_rate, groups, pieces
from trivium.train.parallel.part import local, split


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
        tables = [part for table in tables for part in by_rate(model, table)]
        return BlockAdamW(tables, self.lr, (self.beta1, self.beta2), self.eps, fused=True)


class BlockAdamW(torch.optim.AdamW):
    """PyTorch's fused AdamW. Where parameters have copies in bfloat16 or are split, it goes through them in blocks.

    A block is read once: while it is in the cache of a core, its gradient becomes float32, the step is done, and the
    result is written into the copy too.
    """

    copies: Mapping[Tensor, Tensor] = MappingProxyType({})
    """The copies in bfloat16 by their parameters; see `half`."""
    grad_scale: Tensor | None = None
    """What gradients are divided by as they are read; see `clip`."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        if not self.copies and not any(split(one) for group in self.param_groups for one in group["params"]):
            return super().step(closure)
        for group in self.param_groups:
            kept: tuple[list[Tensor], ...] = ([], [], [], [], [], [])
            self._init_group(group, *kept)
            torch._foreach_add_(kept[5], 1)
            mine = [[local(one) for one in tensors] for tensors in kept[:4]]
            mine[1] = [one.contiguous() for one in mine[1]]
            for parts in together(zip(*mine, kept[5], strict=True), self.copies):
                weights, grads, means, squares, counts, copies = (list(one) for one in zip(*parts, strict=True))
                torch._fused_adamw_(
                    weights,
                    [grad.to(weight.dtype) for grad, weight in zip(grads, weights, strict=True)],
                    means,
                    squares,
                    [],
                    counts,
                    lr=group["lr"],
                    beta1=group["betas"][0],
                    beta2=group["betas"][1],
                    weight_decay=group["weight_decay"],
                    eps=group["eps"],
                    amsgrad=False,
                    maximize=False,
                    grad_scale=self.grad_scale,
                )
                made = [(copy, weight) for copy, weight in zip(copies, weights, strict=True) if copy is not None]
                if made:
                    torch._foreach_copy_(*map(list, zip(*made, strict=True)))  # type: ignore[arg-type]
        return None


def together(all_of: Iterable[tuple[Tensor, ...]], copies: Mapping[Tensor, Tensor]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield parts of (parameter, gradient, mean, square, count), with the copy or None: as many as make a block."""
    block: list[tuple[Any, ...]] = []
    size = 0
    for *tensors, count in all_of:
        parts = [pieces(one) for one in tensors]
        copy = copies.get(tensors[0])
        copied = [None] * len(parts[0]) if copy is None else pieces(copy)
        for *piece, other in zip(*parts, copied, strict=True):
            if block and size + piece[0].numel() > BLOCK:
                yield block
                block, size = [], 0
            block.append((*piece, count, other))
            size += piece[0].numel()
    if block:
        yield block
