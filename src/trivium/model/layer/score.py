"""Heads of tasks: scores of a few labels for a text, for each token, or for the ends of a span; and pooling.

The stock classes differ in the layers before the last matrix (dense, activation, norm, dropouts) and in the states they
read; each difference is a field here. `documents` separates the texts of packed rows. Knows no loss.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.batch import Stream
from trivium.base.config import Config, Seq, Tiled
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


Problem = Literal["single_label_classification", "multi_label_classification", "regression"]
"""What the scores of a text mean, in the words of config.json."""
PROBLEMS: tuple[Problem, ...] = get_args(Problem)


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
    wrap: bool = False
    """Whether the decoder beside an encoder begins with the last id of the text (mBART)."""

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        return ScoreHead(self, hidden_size, len(self.labels))


class SequenceClassification(LabelHead, kind="classify"):
    """Scores of a text, from the hidden state of its first or last token or the mean of all."""

    pool: Pooling = "first"
    eos: int | None = Field(None, ge=0)
    """With `pool = "last"`: the last token of this id is read, where a text goes on behind it (mBART)."""
    problem_type: Problem | None = "single_label_classification"
    """Multi-label: a text may have any number of labels, none included. None says nothing, as of one label alone."""
    activation_fn: Literal["sigmoid", "identity"] | None = None
    """What sentence-transformers' CrossEncoder makes of the score; None is `identity` for a number, else `sigmoid`."""

    @model_validator(mode="before")
    @classmethod
    def _told(cls, data: Any) -> Any:
        """Read `multi_label` of older files as a `problem_type`; one label alone is no choice between labels."""
        if not isinstance(data, dict):
            return data
        older = [value for key, value in data.items() if key in ("several", "multi_label")]
        word = data.get("problem_type", PROBLEMS[any(older)])
        alone = word == PROBLEMS[0] and len(data.get("labels", cls.model_fields["labels"].default)) == 1
        rest = {key: value for key, value in data.items() if key not in ("several", "multi_label")}
        return {**rest, "problem_type": None if alone else word}

    @property
    def multi_label(self) -> bool:
        """Whether a text may have any number of labels."""
        return self.problem_type == "multi_label_classification"

    @property
    def regression(self) -> bool:
        """Whether the scores are numbers as they are."""
        return self.problem_type == "regression"

    @property
    def single(self) -> bool:
        """Whether the head gives one score for each text, and no choice between labels."""
        return len(self.labels) == 1

    def probabilities(self, scores: Float[Tensor, "*N C"]) -> Float[Tensor, "*N C"]:
        """Return what the stock pipeline makes of scores: numbers, probabilities one by one, or of one choice."""
        if self.regression:
            return scores
        return scores.sigmoid() if self.multi_label or self.single else scores.softmax(-1)

    def score(self, scores: Float[Tensor, "*N 1"]) -> Float[Tensor, "*N"]:
        """Return what sentence-transformers' CrossEncoder makes of the output of a single label."""
        plain = self.activation_fn == "identity" or (self.activation_fn is None and self.regression)
        return (scores if plain else scores.sigmoid())[..., 0]


class TokenClassification(LabelHead, kind="tag"):
    """Scores of each token."""


class QuestionAnswering(LabelHead, kind="span"):
    """Extractive question answering: each token's scores as the start and as the end of the answer."""

    labels: Seq[str] = ("start", "end")


class Dense(Config):
    """A layer after pooling: activation(W x + b)."""

    size: int = Field(gt=0)
    """The width of its output."""
    bias: bool = True
    activation: Activation | None = None


class ProjectionHead(nn.Module):
    """The layers after pooling, one after another."""

    def __init__(self, config: "SentenceEmbedding", hidden_size: int) -> None:
        super().__init__()
        self.config = config
        sizes = [hidden_size * len(config.pool), *(layer.size for layer in config.dense)]
        self.dense = nn.ModuleList(
            nn.Linear(a, b, layer.bias) for a, b, layer in zip(sizes, sizes[1:], config.dense, strict=False)
        )

    def forward(self, pooled: Float[Tensor, "*B P"]) -> Float[Tensor, "*B Q"]:
        for layer, config in zip(self.dense, self.config.dense, strict=True):
            pooled = layer(pooled)  # *B Q
            pooled = pooled if config.activation is None else ACTIVATIONS[config.activation](pooled)
        return pooled


class SentenceEmbedding(Head, kind="embed"):
    """One vector for each text, to compare texts: pooled states one behind the other, and layers after that."""

    pool: Tiled[Pooling] = ("mean",)
    dense: Seq[Dense] = ()

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        return ProjectionHead(self, hidden_size) if self.dense else HiddenHead(self)


def pooled(
    hidden: Float[Tensor, "B T D"], stream: Stream, pool: Pooling | Sequence[Pooling], eos: int | None = None
) -> Float[Tensor, "N P"]:
    """Return the pooled hidden state of each of the N texts in packed rows, row by row in order.

    Several ways of pooling stand one behind the other (P is a multiple of D). With `eos` the last state is that of the
    last token of this id, where the text has one.
    """
    if not isinstance(pool, str):
        return torch.cat([pooled(hidden, stream, one, eos) for one in pool], dim=-1)
    documents = stream.documents
    inside = documents > 0
    first = inside & (documents != F.pad(documents[:, :-1], (1, 0)))
    if pool == "first":
        return hidden[first]
    text = first.flatten().cumsum(0)[inside.flatten()] - 1  # the number of each token's text
    if pool == "last":
        last = inside & (documents != F.pad(documents[:, 1:], (0, 1)))
        if eos is None:
            return hidden[last]
        places = torch.arange(documents.numel(), device=documents.device)
        ends = torch.where((stream.ids == eos).flatten(), places, -1)[inside.flatten()]
        found = places.new_full((int(first.sum()),), -1).scatter_reduce(0, text, ends, "amax")
        return hidden.flatten(0, 1)[torch.where(found < 0, places[last.flatten()], found)]
    states = hidden[inside].float()
    start = states.new_zeros(int(first.sum()), hidden.shape[-1])
    if pool == "max":
        places = text[:, None].expand_as(states)
        return start.scatter_reduce(0, places, states, "amax", include_self=False).to(hidden.dtype)
    weights = stream.positions[inside] + 1.0 if pool == "weightedmean" else torch.ones_like(text, dtype=torch.float32)
    sums = start.index_add(0, text, states * weights[:, None])
    totals = start.new_zeros(len(start)).index_add(0, text, weights)[:, None]
    return (sums / (totals.sqrt() if pool == "mean_sqrt_len" else totals)).to(hidden.dtype)
