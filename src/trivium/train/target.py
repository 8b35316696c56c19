"""The loss of each kind of target. An objective names the one it is learned by; the loop and evaluation look here.

Every loss has the signature of `token_loss`: the weighted sum over the valid targets of a micro-batch, the loss of each
and the targets themselves. A micro-batch without any gives exactly 0, still connected to every parameter of the head.
"""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch
from trivium.base.types import IGNORE
from trivium.model.layer.score import pooled
from trivium.train.compare import contrast_loss, prefer_loss
from trivium.train.loss import LossConfig, nothing, token_loss

Loss = Callable[[Any, Tensor, Batch, LossConfig], tuple[Tensor, Tensor, Tensor]]


def label_loss(
    head: Any, hidden: Float[Tensor, "B T D"], batch: Batch, config: LossConfig = LossConfig()
) -> tuple[Float[Tensor, ""], Float[Tensor, " N"], Tensor]:
    """One label of several, or, where several may hold, the mean over all of how well each is told."""
    scores = head(pooled(hidden, batch.stream, head.config.pool))  # N C
    if "label" not in batch.targets:
        return nothing(scores)
    labels = batch.targets["label"]
    if head.config.several:
        losses = F.binary_cross_entropy_with_logits(scores, labels.float(), reduction="none").mean(dim=-1)
    else:
        losses = F.cross_entropy(scores, labels, reduction="none", label_smoothing=config.label_smoothing)
    return losses.sum(), losses.detach(), labels


def tag_loss(
    head: Any, hidden: Float[Tensor, "B T D"], batch: Batch, config: LossConfig = LossConfig()
) -> tuple[Float[Tensor, ""], Float[Tensor, " N"], Int[Tensor, " N"]]:
    """One label of several for every token that has one."""
    tags = batch.targets.get("tag")
    if tags is None:
        return nothing(head(hidden[:, :1]))
    valid = tags != IGNORE
    losses = F.cross_entropy(head(hidden[valid]), tags[valid], reduction="none", label_smoothing=config.label_smoothing)
    return losses.sum(), losses.detach(), tags[valid]


def span_loss(
    head: Any, hidden: Float[Tensor, "B T D"], batch: Batch, config: LossConfig = LossConfig()
) -> tuple[Float[Tensor, ""], Float[Tensor, " N"], Int[Tensor, " N"]]:
    """Where a span begins and where it ends: the mean of two choices among the tokens of its own text."""
    scores = head(hidden)  # B T 2
    if "start" not in batch.targets:
        return nothing(scores)
    documents, positions = batch.stream.documents, batch.stream.positions
    rows, columns = ((positions == 0) & (documents > 0)).nonzero(as_tuple=True)  # where each text begins
    own = documents[rows] == documents[rows, columns][:, None]  # N T
    parts = []
    for which, name in enumerate(("start", "end")):
        choices = scores[rows, :, which].masked_fill(~own, float("-inf"))
        parts.append(F.cross_entropy(choices, columns + batch.targets[name], reduction="none"))
    losses = (parts[0] + parts[1]) / 2
    return losses.sum(), losses.detach(), batch.targets["start"]


LOSSES: dict[str, Loss] = {
    "token": token_loss,
    "label": label_loss,
    "tag": tag_loss,
    "span": span_loss,
    "contrast": contrast_loss,
    "prefer": prefer_loss,
}
