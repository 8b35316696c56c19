"""InfoNCE with the other texts of the micro-batch as negatives.

van den Oord et al. 2018 (arXiv:1807.03748); Henderson et al. 2017 (arXiv:1705.00652).
"""

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch, Stream
from trivium.model.layer.score import pooled
from trivium.train.loss.loss import Loss, LossSum, unweighted


class ContrastLoss(Loss, kind="contrast"):
    """One loss for each group of texts: its first text must find the second among all texts that are not first.

    The target `group` is the number of texts that follow the first; those behind the second are negatives. The target
    `group_label` is a number for the label of the group, -1 for none. For an anchor, the following texts are no
    negatives: those equal to its positive or to itself, and the positives of equal anchors and of equal labels.
    """

    target: ClassVar = "group"
    temperature: float = Field(0.05, gt=0, le=100)
    """Similarities are divided by it."""

    def measure(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        vectors = F.normalize(head(pooled(hidden, batch.stream, head.config.pool)).float(), dim=-1)  # M D
        following = batch.targets["group"]
        anchors = F.pad((following + 1).cumsum(0), (1, -1))  # the first text of each group
        others = torch.ones(len(vectors), dtype=torch.bool, device=vectors.device)
        others[anchors] = False
        scores = vectors[anchors] @ vectors[others].T / self.temperature  # N M-N
        own = F.pad(following.cumsum(0), (1, -1))
        texts, labels = numbered(batch.stream), batch.targets["group_label"]
        asked, found = texts[anchors], texts[others]
        right = found[own]
        equal = (found == right[:, None]) | (found == asked[:, None])  # N M-N
        siblings = (asked == asked[:, None]) | ((labels == labels[:, None]) & (labels >= 0))  # N N
        equal[:, own] |= siblings
        equal[torch.arange(len(own)), own] = False
        scores = scores.masked_fill(equal, -torch.inf)
        return unweighted(F.cross_entropy(scores, own, reduction="none"), own)


def numbered(stream: Stream) -> Int[Tensor, " M"]:
    """Return a number for each of the M texts of packed rows, row by row; texts of equal ids have equal numbers."""
    inside = stream.documents > 0
    first = inside & (stream.positions == 0)
    text = first.flatten().cumsum(0)[inside.flatten()] - 1
    table = stream.ids.new_full((int(first.sum()), stream.ids.shape[1]), -1)
    table[text, stream.positions[inside]] = stream.ids[inside]
    return table.unique(dim=0, return_inverse=True)[1]
