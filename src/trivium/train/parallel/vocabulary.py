"""A vocabulary whose scores neighbours compute together: each has the scores of some tokens, and they tell the rest.

A softmax needs the largest score and the sum of exponentials over all tokens, and a target is a token of one neighbour:
these few numbers travel, never the scores. A vocabulary that is not split is one part, and nothing travels.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F

from trivium.train.parallel.part import split


class VocabularyPart(NamedTuple):
    """The tokens of which this process has the scores, in the last dimension."""

    first: int = 0
    parts: int = 1
    """The parts of the vocabulary."""
    group: Any = None
    """The processes that have them; None for one part."""

    def sum(self, x: Tensor) -> Tensor:
        """Return x, which now is the sum over all parts."""
        if self.group is not None:
            dist.all_reduce(x, group=self.group)
        return x

    def pick(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the score of each target, [n, 1] of scores [n, V] of this part."""
        if self.group is None:
            return scores.gather(1, target)
        index, inside = self._own(scores, target)
        return self.sum(scores.gather(1, index).masked_fill_(~inside, 0.0))

    def add(self, scores: Tensor, target: Tensor, value: float) -> None:
        """Add a number to the score of each target."""
        index, inside = (target, None) if self.group is None else self._own(scores, target)
        values = torch.full_like(scores[:, :1], value)
        scores.scatter_add_(1, index, values if inside is None else values.masked_fill_(~inside, 0.0))

    def log_softmax(self, scores: Tensor) -> None:
        """Turn scores into log-likelihoods, in place."""
        if self.group is None:
            torch.log_softmax(scores, -1, out=scores)
            return
        most = scores.amax(-1, keepdim=True)
        dist.all_reduce(most, dist.ReduceOp.MAX, self.group)
        scores.sub_(most)
        scores.sub_(self.sum(scores.exp().sum(-1, keepdim=True)).log_())

    def mean(self, scores: Tensor) -> Tensor:
        """Return the mean over the vocabulary, [n, 1]."""
        mean = scores.mean(dim=-1, keepdim=True)
        return mean if self.group is None else self.sum(mean) / self.parts

    def _own(self, scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        index = target - self.first
        return index.clamp(0, scores.shape[1] - 1), (index >= 0) & (index < scores.shape[1])


def mine(head: Any) -> tuple[Tensor, Tensor | None, VocabularyPart]:
    """Return the rows of a head's matrix and bias that this process has, with gradients, and which they are."""
    if not split(head.weight):
        return head.weight, head.bias, VocabularyPart()
    mesh, weight = head.weight.device_mesh, head.weight.to_local()
    first = mesh.get_local_rank() * len(weight)
    bias = head.bias
    if bias is not None:
        bias = bias.to_local() if split(bias) else bias[first : first + len(weight)]
    return weight, bias, VocabularyPart(first, mesh.size(), mesh.get_group())


class VocabularyProduct(nn.Module):
    """What computes the scores of a head whose matrix is split, for losses that need them all."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.head = [head]  # in a list, so that its weights have one name

    def forward(self, x: Tensor) -> Tensor:
        from torch.distributed.tensor import DTensor, Partial, Replicate, Shard

        weight, bias, _ = mine(self.head[0])
        mesh: Any = self.head[0].weight.device_mesh
        x = DTensor.from_local(x, mesh, [Replicate()], run_check=False).to_local(grad_placements=[Partial()])
        scores = F.linear(x, weight, bias)
        return DTensor.from_local(scores, mesh, [Shard(scores.ndim - 1)], run_check=False).full_tensor()  # type: ignore[no-any-return]
