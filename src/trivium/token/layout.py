"""Layout: how one text or two go into a model that reads them whole: framed, cut to its context, on its side.

An encoder and a decoder read the ids as they are. A model with both reads them twice, the decoder one place later, so
that its state at a token has seen that token in both stacks, as in the stock classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from trivium.base.errors import DataError
from trivium.base.types import Example
from trivium.token.frame import Frame
from trivium.token.tokenizer import Tokenizer

Ids = Sequence[int]


@dataclass(frozen=True, slots=True)
class Layout:
    """The facts of a model that its input depends on."""

    tokenizer: Tokenizer
    frame: Frame
    family: str
    length: int
    """The most positions that the model reads."""
    start: int = 0
    """The first id of the decoder beside an encoder."""
    types: bool = False
    """Whether token types tell two texts apart."""
    wrap: bool = False
    """Whether the decoder beside an encoder begins with the last id of the text, in place of `start`."""
    context: int = 0
    """The positions of the model, where `data.length` makes the length less."""
    picture: Any = None
    """How pictures become patches (`image.augment.PictureReader`), where the model reads them."""
    placeholder: int | None = None
    """The id in whose places the decoder finds a picture; None where it attends to the encoder."""
    first: int | None = None
    """The id that the model's texts are forced to begin with."""

    def before(self, patches: int, question: str = "") -> list[int]:
        """Return the ids that the decoder reads before it writes of a picture: its start, and a question in a line."""
        tokenizer, bos = self.tokenizer, self.tokenizer.vocabulary.bos
        asked = tokenizer.encode(f"{question}\n") if question else []
        if self.placeholder is None:
            return [self.start, *asked]
        return [*[self.placeholder] * patches, *([] if bos is None else [bos]), *asked]

    def answer(self, text: str) -> list[int]:
        """Return the ids of a text that the decoder writes of a picture, to its end; DataError where there is none."""
        if (end := self.tokenizer.vocabulary.eos) is None:
            raise DataError("caption: expected a tokenizer with an end token (eos), found none")
        return [*([] if self.first is None else [self.first]), *self.tokenizer.encode(text), end]

    def example(self, parts: Sequence[Ids], targets: Mapping[str, Any] | None = None) -> Example:
        """Return the example of parts that fit the length."""
        ids, types, _ = self.frame.lay(parts)
        found = {name: np.asarray(value, dtype=np.int64) for name, value in (targets or {}).items()}
        if self.family == "decoder":
            return Example(dec=ids, targets=found)
        if self.family == "encoder":
            return Example(enc=ids, targets=found, types=types if self.types else None)
        start = ids[-1] if self.wrap else self.start
        return Example(enc=ids, dec=np.concatenate([[start], ids[:-1]]), targets=found)

    @property
    def reason(self) -> str:
        """The reason under which texts that are cut are counted."""
        limit = "data.length" if self.length < self.context else "the model's context"
        return f"cut to {self.length:,} tokens, {limit}"

    def room(self, parts: int) -> int:
        """Return how many content ids `parts` texts may have together; a DataError if there is no room for one each."""
        room = self.length - self.frame.size(parts)
        if room < parts:
            raise DataError(f"length: {self.length} tokens leave no room for {parts} texts and their special tokens")
        return room

    def cut(self, parts: Sequence[Ids]) -> list[Ids]:
        """Cut parts until they fit, the longest first, at its end, as stock tokenizers do."""
        room, lengths = self.room(len(parts)), [len(part) for part in parts]
        while (over := sum(lengths) - room) > 0:
            longest = max(range(len(parts)), key=lambda i: lengths[i])
            others = max((length for i, length in enumerate(lengths) if i != longest), default=0)
            lengths[longest] -= min(over, max(1, lengths[longest] - others))
        return [part[:length] for part, length in zip(parts, lengths, strict=True)]


def gapped(tokenizer: Tokenizer, text: str, mask: int) -> list[int]:
    """Return the ids of a text with gaps, each written `[MASK]` or as the mask token is."""
    first, *others = text.replace("[MASK]", tokenizer.token(mask)).split(tokenizer.token(mask))
    parts: list[str | int] = [first]
    for part in others:
        parts += [mask, part]
    return [*chain(*tokenizer.join(parts))]


def spans(tokenizer: Tokenizer, text: str) -> tuple[list[int], np.ndarray]:
    """Return (ids [N], spans [N, 2] in characters) of a text; a span leaves out the white space before its token."""
    found = tokenizer.spans(text)
    table = np.array([span for _, span in found], dtype=np.int64).reshape(-1, 2)
    for row in table:
        while row[0] < row[1] - 1 and text[row[0]].isspace():
            row[0] += 1
    return [index for index, _ in found], table
