"""AdamW, the optimizer of every preset."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from trivium.train.optim.optim import Optim, groups

BLOCK = 1 << 17
"""The numbers of a parameter that are changed together: with their means, 2 MiB."""


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
        return BlockAdamW(tables, self.lr, (self.beta1, self.beta2), self.eps, fused=True)


class BlockAdamW(torch.optim.AdamW):
    """PyTorch's fused AdamW. Where parameters have copies in bfloat16, it goes through them in blocks.

    A block is read once: while it is in the cache of a core, its gradient becomes float32, the step is done, and the
    result is written into the copy too.
    """

    copies: Mapping[Tensor, Tensor] = MappingProxyType({})
    """The copies in bfloat16 by their parameters; see `half`."""
    grad_scale: Tensor | None = None
    """What gradients are divided by as they are read; see `clip`."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        if not self.copies:
            return super().step(closure)
        for group in self.param_groups:
            kept: tuple[list[Tensor], ...] = ([], [], [], [], [], [])
            self._init_group(group, *kept)
            torch._foreach_add_(kept[5], 1)
            for parameter, grad, mean, square, count in zip(*kept[:4], kept[5], strict=True):
                copy = self.copies.get(parameter)
                whole = [parameter, grad, mean, square] + ([] if copy is None else [copy])
                for part in zip(*(x.view(-1).split(BLOCK) for x in whole), strict=True):
                    self._advance(group, count, *part)
        return None

    def _advance(
        self,
        group: dict[str, Any],
        count: Tensor,
        weight: Tensor,
        grad: Tensor,
        mean: Tensor,
        square: Tensor,
        *copy: Tensor,
    ) -> None:
        """Do the step of one block, and write it into its copy."""
        beta1, beta2 = group["betas"]
        torch._fused_adamw_(
            [weight],
            [grad.to(weight.dtype)],
            [mean],
            [square],
            [],
            [count],
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
            grad_scale=self.grad_scale,
        )
        for one in copy:
            one.copy_(weight)
