"""Direct preference optimisation (DPO, Rafailov et al. 2023, arXiv:2305.18290).

The margin of the reference model is a target. It is computed once before training, so no second model is held.
"""

from typing import Any, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch
from trivium.base.types import IGNORE
from trivium.train.loss.loss import Loss, LossSum, unweighted


class PreferLoss(Loss, kind="prefer"):
    """-log sigmoid(beta * (margin - reference margin)) of each pair: a chosen answer, then a rejected one."""

    target: ClassVar = "margin"
    beta: float = Field(0.1, gt=0, le=100)
    """How strongly the model is kept near the reference model; larger is nearer."""

    def measure(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        likely = log_likelihoods(head, hidden, batch)  # 2N
        margins = likely[0::2] - likely[1::2] - batch.targets["margin"]
        return unweighted(-F.logsigmoid(self.beta * margins), (margins > 0).long())


def log_likelihoods(head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> Float[Tensor, " M"]:
    """Return the log-likelihood in nats of the targets of each text of a batch, row by row."""
    targets, documents = batch.targets["token"], batch.stream.documents
    first = (batch.stream.positions == 0) & (documents > 0)
    text = (first.flatten().cumsum(0) - 1).reshape(targets.shape)  # the number of the text that each token is of
    valid = targets != IGNORE
    losses = F.cross_entropy(head(hidden[valid]).float(), targets[valid], reduction="none")
    return -losses.new_zeros(int(first.sum())).index_add(0, text[valid], losses)
