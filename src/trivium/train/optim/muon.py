"""Muon: the momentum of each matrix, made orthogonal; AdamW for all else (Jordan et al. 2024, "Muon").

Updates have the size of AdamW's (Liu et al. 2025, arXiv:2502.16982), so both take the same learning rate and decay.
"""

from collections import defaultdict
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from trivium.base.log import say
from trivium.train.optim.adamw import AdamW, BlockAdamW
from trivium.train.optim.optim import Optim, by_rate, groups
from trivium.train.parallel.part import alike, cut, local, whole

POLYNOMIAL = 3.4445, -4.7750, 2.0315
"""The coefficients of a step that brings the singular values of a matrix to about 1."""
ITERATIONS = 5
RMS = 0.2
"""The root mean square of an update, as that of AdamW is in practice."""
AFFORDABLE = 0.1
"""The largest share of the FLOPs of a step that `auto` spends on making updates orthogonal."""


class Muon(AdamW, kind="muon"):
    """Orthogonal updates of the matrices of blocks; tables, heads, norms and biases have AdamW's, by its fields."""

    momentum: float = Field(0.95, ge=0, lt=1)
    """The decay of the mean of gradients of matrices, with Nesterov's look ahead."""
    momentum_warmup_steps: int = Field(300, ge=0, le=1 << 30)
    """Steps in which the momentum rises from 0.85."""
    matrix_scale: float = Field(1.0, gt=0, le=1000)
    """The learning rate of matrices, as a multiple of `lr`."""

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        decay, no_decay = groups(model)
        mine = {id(one) for one in matrices(model)}
        parts = {"muon": [one for one in decay if id(one) in mine], "": [one for one in decay if id(one) not in mine]}
        tables: list[dict[str, Any]] = [
            {"params": part, "weight_decay": self.weight_decay, "muon": name == "muon"} for name, part in parts.items()
        ]
        tables[0]["lr_scale"] = self.matrix_scale
        tables.append({"params": no_decay, "weight_decay": 0.0, "muon": False})
        tables = [part for table in tables for part in by_rate(model, table, 0.5 if table["muon"] else 1.0)]
        made = MuonAdamW(tables, self.lr, (self.beta1, self.beta2), self.eps, fused=True)
        made.muon = self
        return made


class AutoOptim(Muon, kind="auto"):
    """Muon where orthogonal updates cost at most a tenth of the FLOPs of a step, else AdamW; the fields serve both."""

    def chosen(self, model: nn.Module, tokens: int) -> Optim:
        share = extra_share(model, tokens)
        takes = Muon if share <= AFFORDABLE else AdamW
        say(f"optimizer: {takes.kind}, chosen by auto: muon would be {share:.0%} of the FLOPs of a step")
        return takes(**{name: getattr(self, name) for name in takes.model_fields})


def matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return the trained matrices that lie between the table and the head."""
    head = {id(one) for one in getattr(model, "head", nn.Module()).parameters()}
    return [one for one in groups(model)[0] if one.ndim == 2 and id(one) not in head]


def extra_share(model: nn.Module, tokens: int) -> float:
    """Return the share of the FLOPs of a step of so many tokens that orthogonal updates would be; attention is free."""
    shapes = [sorted(one.shape) for one in matrices(model)]
    extra = float(sum(ITERATIONS * (4 * a * a * b + 2 * a**3) for a, b in shapes))
    whole = 6.0 * tokens * sum(one.numel() for one in (*matrices(model), *getattr(model.head, "parameters", list)()))
    return extra / (extra + whole) if extra else 1.0


def orthogonal(x: Float[Tensor, "N A B"]) -> Float[Tensor, "N A B"]:
    """Return matrices with the singular vectors of N matrices, and singular values near 1 (Newton and Schulz)."""
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = POLYNOMIAL
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class MuonAdamW(BlockAdamW):
    """AdamW, except for the groups with `muon`: matrices of one shape are made orthogonal together."""

    muon: Muon

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        every = self.param_groups
        self.param_groups = [group for group in every if not group["muon"]]
        try:
            super().step(closure)
        finally:
            self.param_groups = every
        for group in every:
            if group["muon"]:
                self._turn(group)

    def _turn(self, group: dict[str, Any]) -> None:
        """Update the matrices of a group, those of one shape together.

        Of matrices that are split each process has its part of the momentum, and makes the whole ones orthogonal.
        """
        shapes: dict[Any, list[nn.Parameter]] = defaultdict(list)
        for one in group["params"]:
            if one.grad is not None:
                shapes[one.shape, getattr(one, "placements", None)].append(one)
        for (shape, _), ones in shapes.items():
            kept = [self.state[one] for one in ones]
            for one, state in zip(ones, kept, strict=True):
                if "momentum" not in state:
                    state |= {"step": torch.zeros(()), "momentum": alike(one, torch.zeros_like(local(one)))}
            torch._foreach_add_([state["step"] for state in kept], 1)
            momentum = self._momentum(int(kept[0]["step"]))
            grads = torch.stack([local(one.grad) for one in ones]).float()
            grads = grads if self.grad_scale is None else grads / self.grad_scale
            means = [local(state["momentum"]) for state in kept]
            torch._foreach_lerp_(means, [*grads], 1 - momentum)
            # A step in bfloat16 takes these products in it too.
            half = torch.bfloat16 if grads.is_cuda or self.copies else torch.float32
            parts = zip(ones, grads.lerp_(torch.stack(means), momentum).to(half), strict=True)
            updates = orthogonal(torch.stack([whole(alike(one, part)) for one, part in parts])).float()
            weights = [local(one) for one in ones]
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            changes = [cut(update, one) for one, update in zip(ones, updates, strict=True)]
            torch._foreach_add_(weights, changes, alpha=-group["lr"] * RMS * max(shape) ** 0.5)
            copied: list[Tensor] = [one for one in ones if one in self.copies]
            if copied:
                torch._foreach_copy_([self.copies[one] for one in copied], copied)

    def _momentum(self, step: int) -> float:
        warm = min(1.0, step / self.muon.momentum_warmup_steps) if self.muon.momentum_warmup_steps else 1.0
        return min(0.85, self.muon.momentum) * (1 - warm) + self.muon.momentum * warm
