"""InfoNCE with the other texts of the micro-batch as negatives.

van den Oord et al. 2018 (arXiv:1807.03748); Henderson et al. 2017 (arXiv:1705.00652).
"""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch
from trivium.model.layer.score import pooled
from trivium.train.loss.loss import Loss, LossSum, unweighted


class ContrastLoss(Loss, kind="contrast"):
    """One loss for each group of texts: its first text must find the second among all texts that are not first.

    The target `group` is the number of texts that follow the first; those behind the second are negatives.
    """

    target: ClassVar = "group"
    temperature: float = Field(0.05, gt=0)
    """Similarities are divided by it."""

    def measure(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        vectors = F.normalize(head(pooled(hidden, batch.stream, head.config.pool)).float(), dim=-1)  # M D
        following = batch.targets["group"]
        anchors = F.pad((following + 1).cumsum(0), (1, -1))  # the first text of each group
        others = torch.ones(len(vectors), dtype=torch.bool, device=vectors.device)
        others[anchors] = False
        scores = vectors[anchors] @ vectors[others].T / self.temperature  # N M-N
        own = F.pad(following.cumsum(0), (1, -1))
        return unweighted(F.cross_entropy(scores, own, reduction="none"), own)
