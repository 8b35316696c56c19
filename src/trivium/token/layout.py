"""How a text, or two, are laid before a model that reads them whole: framed, cut to its context, on its side.

An encoder reads them as they are, a decoder too; a model with both reads them twice, the decoder one place later, so
that its state at a token has seen that token in both stacks (as the stock classes do). Whoever asks names the family,
so nothing here knows a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trivium.base.errors import DataError
from trivium.base.types import Example
from trivium.token.frame import Frame
from trivium.token.tokenizer import Tokenizer

Ids = Sequence[int]


@dataclass(frozen=True, slots=True)
class Layout:
    """What must be known of a model to lay texts before it."""

    tokenizer: Tokenizer
    frame: Frame
    family: str
    length: int
    """Positions that it reads at most."""
    start: int = 0
    """What the decoder beside an encoder begins with."""
    types: bool = False
    """Whether the model tells two texts apart by token types."""

    def example(self, parts: Sequence[Ids], targets: Mapping[str, Any] | None = None) -> Example:
        """Lay parts that fit."""
        ids, types, _ = self.frame.lay(parts)
        found = {name: np.asarray(value, dtype=np.int64) for name, value in (targets or {}).items()}
        if self.family == "decoder":
            return Example(dec=ids, targets=found)
        if self.family == "encoder":
            return Example(enc=ids, targets=found, types=types if self.types else None)
        return Example(enc=ids, dec=np.concatenate([[self.start], ids[:-1]]), targets=found)

    def room(self, parts: int) -> int:
        """How many content ids so many parts may have together; none at all is a DataError."""
        room = self.length - self.frame.size(parts)
        if room < parts:
            raise DataError(f"length: {self.length} tokens leave no room for {parts} texts and their control tokens")
        return room

    def cut(self, parts: Sequence[Ids]) -> list[Ids]:
        """Parts that fit, the longest cut at its end first, as stock tokenizers do."""
        room, lengths = self.room(len(parts)), [len(part) for part in parts]
        while (over := sum(lengths) - room) > 0:
            longest = max(range(len(parts)), key=lambda i: lengths[i])
            others = max((length for i, length in enumerate(lengths) if i != longest), default=0)
            lengths[longest] -= min(over, max(1, lengths[longest] - others))
        return [part[:length] for part, length in zip(parts, lengths, strict=True)]


def spans(tokenizer: Tokenizer, text: str) -> tuple[list[int], np.ndarray]:
    """(ids, [N, 2] where each begins and ends in the text, in characters), white space before a token left out."""
    found = tokenizer.spans(text)
    table = np.array([span for _, span in found], dtype=np.int64).reshape(-1, 2)
    for row in table:
        while row[0] < row[1] - 1 and text[row[0]].isspace():
            row[0] += 1
    return [index for index, _ in found], table
