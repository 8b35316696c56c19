"""Heads of tasks: scores of a few labels for a text, for each token, or for the ends of a span; and pooling.

The stock classes differ in the layers before the last matrix (dense, activation, norm, dropouts) and in the states they
read; each difference is a field here. `documents` separates the texts of packed rows. Knows no loss.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.batch import Stream
from trivium.base.config import Seq
from trivium.base.types import Pooling
from trivium.model.layer.ffn import ACTIVATIONS, Activation
from trivium.model.layer.head import Head, HiddenHead
from trivium.model.layer.norm import NoNorm, Norm


class ScoreHead(nn.Module):
    """out(norm(act(dense(h)))), with dropout before each matrix; without `dense` only out(h). Scores are float32."""

    def __init__(self, config: "LabelHead", hidden_size: int, outputs: int) -> None:
        super().__init__()
        self.config = config
        self.dense = nn.Linear(hidden_size, hidden_size, bias=config.dense_bias) if config.dense else None
        self.act = ACTIVATIONS[config.activation]
        self.norm = config.norm.build(hidden_size)
        self.before = nn.Dropout(config.dense_dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(hidden_size, outputs, bias=config.bias)

    def forward(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B C"]:
        if self.dense is not None:
            hidden = self.norm(self.act(self.dense(self.before(hidden))))
        return self.out(self.dropout(hidden)).float()


class LabelHead(Head):
    """The fields of every head that scores labels."""

    labels: Seq[str] = ("LABEL_0", "LABEL_1")
    """The names of the C outputs, in order."""
    dense: bool = False
    dense_bias: bool = True
    dense_dropout: float = Field(0.0, ge=0, lt=1)
    activation: Activation = "tanh"
    norm: Norm = NoNorm()
    dropout: float = Field(0.0, ge=0, lt=1)
    bias: bool = True

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        return ScoreHead(self, hidden_size, len(self.labels))


class SequenceClassification(LabelHead, kind="classify"):
    """Scores of a text, from the hidden state of its first or last token or the mean of all."""

    pool: Pooling = "first"
    renamed: ClassVar[Mapping[str, str]] = {"several": "multi_label"}
    multi_label: bool = False
    """Whether a text may have any number of labels, none included."""


class TokenClassification(LabelHead, kind="tag"):
    """Scores of each token."""


class QuestionAnswering(LabelHead, kind="span"):
    """Extractive question answering: each token's scores as the start and as the end of the answer."""

    labels: Seq[str] = ("start", "end")


class SentenceEmbedding(Head, kind="embed"):
    """One vector for each text, to compare texts."""

    pool: Pooling = "mean"

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        return HiddenHead(self)


def pooled(hidden: Float[Tensor, "B T D"], stream: Stream, pool: Pooling) -> Float[Tensor, "N D"]:
    """Return the pooled hidden state of each of the N texts in packed rows, row by row in order."""
    documents = stream.documents
    inside = documents > 0
    first = inside & (documents != F.pad(documents[:, :-1], (1, 0)))
    if pool == "first":
        return hidden[first]
    if pool == "last":
        return hidden[inside & (documents != F.pad(documents[:, 1:], (0, 1)))]
    text = first.flatten().cumsum(0)[inside.flatten()] - 1  # the number of each token's text
    sums = hidden.new_zeros(int(first.sum()), hidden.shape[-1], dtype=torch.float32)
    sums = sums.index_add(0, text, hidden[inside].float())
    return (sums / torch.bincount(text, minlength=len(sums))[:, None]).to(hidden.dtype)
