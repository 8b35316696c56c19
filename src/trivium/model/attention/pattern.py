"""Attention patterns: which query may attend to which key, as one predicate over positions.

`allow(q, k)` works on all shapes that broadcast. `View.allow` adds to every pattern that documents of a packed row
never see each other and that padding is never seen. A pattern needs only `allow`; `reach` and `cover` let a kernel skip
blocks of pairs, and `keep` lets a KV cache drop old keys. Sparser kinds are in `sparse`. Knows no kernel.
"""

from collections.abc import Callable
from functools import reduce
from operator import and_, or_
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from trivium.base.batch import Stream
from trivium.base.config import Choice, Seq, Tiled

Shape = Literal["full", "causal"]


class Where(NamedTuple):
    """The places of tokens: position in the document, number of the document (0 is padding), whether in its prefix.

    `places` [B, T, 2] are the row and column of each in a picture.
    """

    position: Tensor
    document: Tensor
    prefix: Tensor | None = None
    places: Tensor | None = None

    @classmethod
    def of(cls, stream: Stream) -> "Where":
        """Return the places of a stream's tokens."""
        return cls(stream.positions, stream.documents, stream.prefix, stream.places)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Where":
        """Apply a function to every tensor."""
        return Where(*(None if part is None else change(part) for part in self))  # type: ignore[arg-type]


class KeyRange(NamedTuple):
    """Blocks of neighbouring tokens: their lowest and highest positions, and whether a token is in a prefix."""

    low: Tensor
    high: Tensor
    prefix: Tensor | None = None


class Pattern(Choice):
    """A set of allowed (query, key) pairs. Patterns combine with `&` and `|`."""

    def allow(self, q: Where, k: Where) -> Tensor:
        """Return for each pair whether the query may attend to the key."""
        raise NotImplementedError

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        """Return for each pair of blocks whether any pair may be allowed. True where unsure: it only costs time."""
        return _always(q.low, k.low)

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        """Return for each pair of blocks whether all its pairs are allowed. False where unsure: it only costs time."""
        return ~_always(q.low, k.low)

    def shape(self, length: int) -> Shape | None:
        """Return the simple shape of the pattern among `length` neighbouring tokens, or None where it needs a mask."""
        return None

    @property
    def keep(self) -> int | None:
        """The number of past keys that a later query can still attend to; None is all."""
        return None

    @property
    def marked(self) -> bool:
        """Whether it reads the prefix that a batch marks, so that a prompt cannot be read in pieces."""
        return False

    def draw(self, length: int, prefix: int = 0) -> str:
        """Return the mask of one document as text: a line for each query, # where it attends to the key."""
        position = torch.arange(length)
        where = Where(position, torch.ones_like(position), position < prefix)
        seen = self.allow(where.map(lambda x: x[:, None]), where).expand(length, length)
        return "\n".join("".join("#" if pair else "." for pair in line) for line in seen.tolist())

    def ahead(self, length: int = 512) -> bool:
        """Return whether a token may attend to a later one in a text of `length`; in a decoder none may."""
        place = torch.arange(length, device="cpu")
        q, k = (Where(place.unsqueeze(axis), torch.ones_like(place).unsqueeze(axis)) for axis in (1, 0))
        return bool((self.allow(q, k) & (k.position > q.position)).any())

    def __and__(self, other: "Pattern") -> "Pattern":
        return And(of=(self, other))

    def __or__(self, other: "Pattern") -> "Pattern":
        return Or(of=(self, other))


class Full(Pattern, kind="full"):
    """Every token attends to every token (encoders)."""

    def allow(self, q: Where, k: Where) -> Tensor:
        return _always(q.position, k.position)

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return _always(q.low, k.low)

    def shape(self, length: int) -> Shape | None:
        return "full"


class Causal(Pattern, kind="causal"):
    """No token attends to a later one (decoders)."""

    def allow(self, q: Where, k: Where) -> Tensor:
        return k.position <= q.position

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        return k.low <= q.high

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return k.high <= q.low

    def shape(self, length: int) -> Shape | None:
        return "causal"


class Prefix(Pattern, kind="prefix"):
    """Causal, and every token attends to the prefix that the batch marks: the prefix is read in both directions.

    Raffel et al. 2020 (arXiv:1910.10683). Without a marked prefix it is causal.
    """

    def allow(self, q: Where, k: Where) -> Tensor:
        past = k.position <= q.position
        return past if k.prefix is None else past | k.prefix

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        past = k.low <= q.high
        return past if k.prefix is None else past | k.prefix

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return k.high <= q.low

    @property
    def marked(self) -> bool:
        return True


class Inside(Pattern, kind="inside"):
    """Tokens of the marked prefix see each other, and nothing else: with `or`, a window opens inside the prefix."""

    def allow(self, q: Where, k: Where) -> Tensor:
        none = ~_always(q.position, k.position)
        return none if q.prefix is None or k.prefix is None else none | (q.prefix & k.prefix)

    @property
    def marked(self) -> bool:
        return True


class Nearby(Pattern):
    """Keys less than `span` tokens before the query; with `both`, after it too. Traced code makes no other pattern."""

    size: int = Field(256, gt=0)
    """The number of tokens that are seen, the own included."""
    both: bool = False
    """Whether later tokens are seen too."""

    @property
    def span(self) -> int:
        """The number of tokens from the query to its farthest key, both included."""
        return self.size

    def allow(self, q: Where, k: Where) -> Tensor:
        distance = q.position - k.position
        return distance.abs() < self.span if self.both else (distance >= 0) & (distance < self.span)

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        near = q.low - k.high < self.span
        return near & (k.low - q.high < (self.span if self.both else 1))

    @property
    def keep(self) -> int | None:
        return self.span - 1


class Window(Nearby, kind="window"):
    """The last `size` tokens, the token itself included (Mistral); with `both`, as many later ones (ModernBERT)."""

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        near = q.high - k.low < self.size
        return near & (k.high - q.low < (self.size if self.both else 1))

    def shape(self, length: int) -> Shape | None:
        return None if length > self.size else "full" if self.both else "causal"


class Combined(Pattern):
    """Several patterns, joined pair by pair."""

    join: ClassVar[Callable[[Tensor, Tensor], Tensor]]
    of: Seq[Pattern] = Field(min_length=1)
    """The patterns that are combined."""

    def allow(self, q: Where, k: Where) -> Tensor:
        return reduce(type(self).join, (part.allow(q, k) for part in self.of))

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        return reduce(type(self).join, (part.reach(q, k) for part in self.of))

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return reduce(type(self).join, (part.cover(q, k) for part in self.of))

    @property
    def marked(self) -> bool:
        return any(part.marked for part in self.of)


class And(Combined, kind="and"):
    """Pairs that every part allows."""

    join: ClassVar[Callable[[Tensor, Tensor], Tensor]] = and_

    def shape(self, length: int) -> Shape | None:
        shapes = [part.shape(length) for part in self.of]
        return None if None in shapes else "causal" if "causal" in shapes else "full"

    @property
    def keep(self) -> int | None:
        return min((part.keep for part in self.of if part.keep is not None), default=None)


class Or(Combined, kind="or"):
    """Pairs that at least one part allows."""

    join: ClassVar[Callable[[Tensor, Tensor], Tensor]] = or_

    def shape(self, length: int) -> Shape | None:
        shapes = [part.shape(length) for part in self.of]
        return "full" if "full" in shapes else None if None in shapes else "causal"

    @property
    def keep(self) -> int | None:
        kept = [part.keep for part in self.of]
        return None if None in kept else max(keep for keep in kept if keep is not None)


LETTERS = {"S": "window", "L": "causal"}


def _spelled(value: Any) -> Any:
    """Read "SSSL" as three short layers and a long one."""
    if isinstance(value, str) and value and {*value} <= {*LETTERS}:
        return [LETTERS[letter] for letter in value]
    return value


Tiles = Annotated[Tiled[Pattern], BeforeValidator(_spelled)]
"""The patterns of a stack, tiled over its layers: one, a list, or letters such as `"SSSL"` (S window, L causal)."""


def _always(q: Tensor, k: Tensor) -> Tensor:
    """Return True in the broadcast shape."""
    return (q == q) & (k == k)
