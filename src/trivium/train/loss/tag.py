"""Cross-entropy over the tags of single tokens."""

from typing import Any, ClassVar, Self

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch
from trivium.base.types import IGNORE
from trivium.train.loss.loss import Loss, LossSum, unweighted


class TagLoss(Loss, kind="tag"):
    """One tag for each token that has one."""

    target: ClassVar[str] = "tag"
    label_smoothing: float = Field(0.0, ge=0, lt=1)

    def plain(self) -> Self:
        return self.replace(label_smoothing=0.0)

    def measure(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        tags = batch.targets["tag"]
        valid = tags != IGNORE
        scores = head(hidden[valid])  # N C
        losses = F.cross_entropy(scores, tags[valid], reduction="none", label_smoothing=self.label_smoothing)
        return unweighted(losses, tags[valid])
