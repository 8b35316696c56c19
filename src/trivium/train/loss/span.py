"""Cross-entropy over the first and the last token of an answer (Devlin et al. 2018, section 4.2)."""

from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch
from trivium.train.loss.loss import Loss, LossSum, unweighted


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
