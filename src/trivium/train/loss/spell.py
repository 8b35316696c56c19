"""Cross-entropy of the written tokens, and CTC of what is read: the encoder's states must spell the text in its order.

A fresh decoder can lower its loss for long without looking at the encoder, as a language model. This loss gives the
encoder its own reason to tell where each token stands (Graves et al. 2006; joined with attention: Watanabe et al. 2017,
arXiv:1609.06773). Both read through one head, so that no weight is added; nothing changes after training.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from trivium.base.batch import Batch, Stream
from trivium.base.types import IGNORE
from trivium.train.loss.loss import LossSum
from trivium.train.loss.token import TokenLoss


class SpellLoss(TokenLoss, kind="spell"):
    """The token loss, plus `ctc` times the CTC loss of the encoder's states, for lines of print and other readings."""

    target: ClassVar = "token"
    ctc: float = Field(0.5, ge=0, le=100)
    """The weight of CTC."""
    blank: int = Field(0, ge=0)
    """The id that stands for no token: the padding of tokenizers that are trained here."""

    def plain(self) -> Self:
        return super().plain().replace(ctc=0.0)

    def over(self, forward: Callable[..., Any], head: Any, batch: Batch) -> LossSum:
        if not self.ctc:
            return super().over(forward, head, batch)
        hidden, read = forward(batch, True)
        loss = self(head, hidden, batch)
        if not len(loss.targets):
            return loss
        return loss._replace(total=loss.total + self.ctc * self.spelled(head, read, batch))

    def spelled(self, head: Any, read: Float[Tensor, "B S D"], batch: Batch) -> Float[Tensor, ""]:
        """Return the sum of the CTC losses of all documents; a text with more tokens than states costs nothing."""
        assert batch.enc is not None and batch.dec is not None
        states = _cut(read, batch.enc)
        targets = _cut(batch.targets["token"], batch.dec)
        targets = [one[one != IGNORE] for one in targets]
        spelled = [number for number, one in enumerate(targets) if len(one)]
        states, targets = ([some[number] for number in spelled] for some in (states, targets))
        scores = head(pad_sequence(states)).log_softmax(-1)  # S N V
        given, wanted = (torch.tensor([*map(len, some)]) for some in (states, targets))
        with torch.autocast(scores.device.type, enabled=False):
            return F.ctc_loss(
                scores.float(), torch.cat(targets), given, wanted, self.blank, reduction="sum", zero_infinity=True
            )


def _cut(values: Tensor, stream: Stream) -> list[Tensor]:
    """Return the values [B, T, ...] of each document, in the order of rows and their documents."""
    documents = stream.documents
    sizes = [int(count) for row in documents for count in row.bincount()[1:]]
    return list(values[documents > 0].split(sizes))
