"""Records that pass between rooms. Refuses to know models, tokenizers and files."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

IGNORE = -100
"""The target of a position without loss."""

Pooling = Literal["first", "last", "mean", "max", "mean_sqrt_len", "weightedmean"]
"""How the hidden states of a text become one vector.

`mean_sqrt_len` divides the sum by the root of the length; `weightedmean` weighs the state at position t by t + 1.
"""

ALIGNED = ("token", "tag")
"""Targets with one value for each position; all others have one for each example."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text; `id` is unique in its `source`, the name of a file."""

    text: str
    id: str
    source: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. With `train` None the recipe decides (it trains turns of the assistant)."""

    role: str
    content: str
    train: bool | None = None
    reasoning: str | None = None
    """What the assistant thinks before the content; only some chat templates write it."""

    def behind(self, prefix: str) -> "Message":
        """Return the message with its content behind a prefix, which stands there once."""
        return self if self.content.startswith(prefix) else replace(self, content=prefix + self.content)


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of ids of one rendered part; all of them are trained, or none."""

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
    """For each id, whether it begins a word (bool [V])."""
    sentence_end: np.ndarray | None = field(default=None, compare=False, repr=False)
    """For each id, whether it ends a sentence (bool [V])."""


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """A picture, cut into squares in reading order: row by row, each row from left to right.

    `values` is float32 [T, P]: a patch has its P = channels x side x side numbers in the order channel, y, x. `places`
    is int64 [T, 2]: its row and column. A class token stands first, as zeros, at the place (0, 0). Pictures of the same
    numbers are equal.
    """

    values: np.ndarray
    places: np.ndarray

    def __len__(self) -> int:
        """Return the number of patches, the class token included."""
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        """Return whether another picture has the same patches at the same places."""
        if not isinstance(other, Patches):
            return NotImplemented
        return np.array_equal(self.places, other.places) and np.array_equal(self.values, other.values)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Example:
    """The ids that a model reads and its targets, already aligned: no later step shifts anything.

    In place of ids, `enc` may be the patches of a picture, float32 [T, P], with their `places` [T, 2]: see `Patches`.
    `targets["token"][t]` is the id that position t of `dec` (else of `enc`) must predict, `targets["tag"][t]` its tag;
    IGNORE is no target. Targets of the whole example: `label` (an id, or 0 and 1 for each label), `start` and `end` of
    a span, and those of comparisons. `weights[t]` scales the loss at position t (default 1). The first `prefix` tokens
    of `dec` are attended to in both directions by a pattern that allows it; `types` are BERT's token types.
    """

    enc: np.ndarray | None = None
    dec: np.ndarray | None = None
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)
    weights: np.ndarray | None = None
    prefix: int = 0
    types: np.ndarray | None = None
    places: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the length of the side with which the targets are aligned."""
        side = self.enc if self.dec is None else self.dec
        assert side is not None
        return len(side)
