"""Losses of labels and numbers: of whole texts, of single tokens, and of the ends of a span."""

from typing import Any, ClassVar, Self

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch
from trivium.base.types import IGNORE
from trivium.model.layer.score import pooled
from trivium.train.loss.loss import Loss, LossSum, unweighted


class LabelLoss(Loss, kind="label"):
    """The loss of a text as the head's `problem_type` says.

    One label: cross-entropy. Several, or the score of one: the mean of their binary cross-entropies. Regression: the
    mean squared error.
    """

    target: ClassVar = "label"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """The share of a target that is spread evenly over the labels."""

    def plain(self) -> Self:
        return self.replace(label_smoothing=0.0)

    def measure(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        config, labels = head.config, batch.targets["label"]
        scores = head(pooled(hidden, batch.read, config.pool, config.eos))  # N C
        if config.regression:
            losses = (scores - labels).square().mean(dim=-1)
        elif config.multi_label or config.single:
            losses = F.binary_cross_entropy_with_logits(scores, labels.float(), reduction="none").mean(dim=-1)
        else:
            losses = F.cross_entropy(scores, labels, reduction="none", label_smoothing=self.label_smoothing)
        return unweighted(losses, labels)


class TagLoss(LabelLoss, kind="tag"):
    """One label for each token that has one."""

    target: ClassVar = "tag"

    def measure(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        tags = batch.targets["tag"]
        valid = tags != IGNORE
        scores = head(hidden[valid])  # N C
        losses = F.cross_entropy(scores, tags[valid], reduction="none", label_smoothing=self.label_smoothing)
        return unweighted(losses, tags[valid])


class SpanLoss(Loss, kind="span"):
    """The mean of two choices, first and last token, among the tokens of the text itself."""

    target: ClassVar = "start"

    def measure(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        scores = head(hidden)  # B T 2
        documents, positions = batch.stream.documents, batch.stream.positions
        rows, columns = ((positions == 0) & (documents > 0)).nonzero(as_tuple=True)  # where each text begins
        own = documents[rows] == documents[rows, columns][:, None]  # N T
        parts = []
        for which, name in enumerate(("start", "end")):
            choices = scores[rows, :, which].masked_fill(~own, float("-inf"))
            parts.append(F.cross_entropy(choices, columns + batch.targets[name], reduction="none"))
        return unweighted((parts[0] + parts[1]) / 2, batch.targets["start"])
