"""The records that cross rooms. Nothing here knows what a model, a tokenizer or a file is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

IGNORE = -100
"""The target of a position that carries no loss."""

Pooling = Literal["first", "last", "mean"]
"""How the states of a text's tokens become one vector."""

ALIGNED = ("token", "tag")
"""The targets that every position has; the others an example has once."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its address: `id` is unique in its source, `source` names the file."""

    text: str
    id: str
    source: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. `train=None` leaves the choice to the recipe (assistant turns train)."""

    role: str
    content: str
    train: bool | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of ids rendered together: either every id in it is trained or none is."""

    ids: tuple[int, ...]
    train: bool
    role: str = ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What an objective may know of a tokenizer: its size and the ids of its control tokens."""

    size: int
    pad: int
    bos: int | None = None
    eos: int | None = None
    mask: int | None = None
    sentinels: tuple[int, ...] = ()
    special: frozenset[int] = frozenset()
    word_start: np.ndarray | None = field(default=None, compare=False, repr=False)
    """For each id, whether it begins a word."""
    sentence_end: np.ndarray | None = field(default=None, compare=False, repr=False)
    """For each id, whether it ends a sentence."""


@dataclass(frozen=True, slots=True)
class Example:
    """What a model reads and what it must predict, already aligned: nobody downstream shifts anything.

    `targets["token"][t]` is what position t of `dec` (else of `enc`) must predict, `targets["tag"][t]` its tag; IGNORE
    carries no loss. Once for an example: `label` (an id, or 0 and 1 for each of several labels), `start` and `end` of a
    span, and what a text is compared by. `weights[t]` scales the loss of a token's target (default 1). The first
    `prefix` tokens of `dec` may be read both ways, by a model whose pattern lets it; `types` are BERT's token types.
    """

    enc: np.ndarray | None = None
    dec: np.ndarray | None = None
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)
    weights: np.ndarray | None = None
    prefix: int = 0
    types: np.ndarray | None = None

    def __len__(self) -> int:
        """Positions of the side that the targets are aligned to."""
        side = self.enc if self.dec is None else self.dec
        assert side is not None
        return len(side)
