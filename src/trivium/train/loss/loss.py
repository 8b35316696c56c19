"""The family of losses: from hidden states and targets to one sum.

A loss is a sum over valid targets. The training loop divides it once, by the number of valid targets of the whole
global step, so that gradient accumulation and ranks change nothing.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

import torch
from jaxtyping import Float
from torch import Tensor

from trivium.base.batch import Batch
from trivium.base.config import Choice


class LossSum(NamedTuple):
    """The loss of a micro-batch with N valid targets."""

    total: Tensor
    """The weighted sum, a scalar with gradient."""
    losses: Tensor
    """The loss of each target, [N], without gradient."""
    targets: Tensor
    """The targets, [N, ...]."""


class Loss(Choice):
    """A loss. A kind declares the target that it reads, and computes the sum in `measure`."""

    kinds: ClassVar[dict[str, type["Loss"]]]
    target: ClassVar = "token"
    """The key of `Batch.targets` that it reads."""

    def plain(self) -> Self:
        """Return the loss that evaluation reports, without the terms that only help training."""
        return self

    def over(self, forward: Callable[..., Any], head: Any, batch: Batch) -> LossSum:
        """Run a model on a micro-batch and return its loss."""
        return self(head, forward(batch), batch)

    def __call__(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        """Return the loss of a micro-batch.

        Without any target the total is exactly 0 and depends on every parameter of the head, so that each one gets
        a zero gradient.
        """
        if self.target in batch.targets:
            return self.measure(head, hidden, batch)
        empty = torch.zeros(0, device=hidden.device)
        return LossSum(head(hidden[:, :1]).sum() * 0.0, empty, empty.long())

    def measure(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        """Compute the loss of a micro-batch that has the target of this loss."""
        raise NotImplementedError


def unweighted(losses: Float[Tensor, " N"], targets: Tensor) -> LossSum:
    """Return the sum of N losses that all count the same."""
    return LossSum(losses.sum(), losses.detach(), targets)
