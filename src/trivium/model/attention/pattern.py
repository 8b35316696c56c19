"""Who may look at whom, as one predicate over positions. Nothing here knows of kernels, padding or packing.

`allow(q, k)` works on anything that broadcasts. That documents of a packed row never see each other, and that
padding is never seen, is added to every pattern in one place: `View.mask`. A pattern is complete with `allow` alone;
`reach` and `cover` let a kernel skip whole blocks of pairs, and `keep` lets a cache forget. Sparser kinds are in
`sparse`.
"""

from collections.abc import Callable
from functools import reduce
from operator import and_, or_
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from trivium.base.config import Choice, Seq, Tiled

Shape = Literal["full", "causal"]


class Where(NamedTuple):
    """Where tokens sit: position inside their document, the document (0 is padding), whether in its prefix."""

    position: Tensor
    document: Tensor
    prefix: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Where":
        """Do the same to everything that is known."""
        prefix = None if self.prefix is None else change(self.prefix)
        return Where(change(self.position), change(self.document), prefix)


class KeyRange(NamedTuple):
    """Blocks of neighbouring tokens: their lowest and highest positions, and whether one is in a prefix."""

    low: Tensor
    high: Tensor
    prefix: Tensor | None = None


class Pattern(Choice):
    """A set of allowed (query, key) pairs. Patterns combine with `&` and `|`."""

    def allow(self, q: Where, k: Where) -> Tensor:
        """Say for each pair whether the query may see the key."""
        raise NotImplementedError

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        """Say for each pair of blocks whether any of its pairs may be allowed; True costs time, never truth."""
        return _always(q.low, k.low)

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        """Say for each pair of blocks whether all of its pairs are allowed for sure; False costs time alone."""
        return ~_always(q.low, k.low)

    def shape(self, length: int) -> Shape | None:
        """What the pattern comes down to among any `length` neighbouring tokens; None where it needs a mask."""
        return None

    @property
    def keep(self) -> int | None:
        """How many past keys a later query can still see; None is all of them."""
        return None

    def draw(self, length: int, prefix: int = 0) -> str:
        """The mask of one document: a line for each query, # where it sees the key."""
        position = torch.arange(length)
        where = Where(position, torch.ones_like(position), position < prefix)
        seen = self.allow(where.map(lambda x: x[:, None]), where).expand(length, length)
        return "\n".join("".join("#" if pair else "." for pair in line) for line in seen.tolist())

    def ahead(self, length: int = 512) -> bool:
        """Whether a token may see a later one, as far as a text of `length` tells; a decoder must not."""
        place = torch.arange(length, device="cpu")
        q, k = (Where(place.unsqueeze(axis), torch.ones_like(place).unsqueeze(axis)) for axis in (1, 0))
        return bool((self.allow(q, k) & (k.position > q.position)).any())

    def __and__(self, other: "Pattern") -> "Pattern":
        return And(of=(self, other))

    def __or__(self, other: "Pattern") -> "Pattern":
        return Or(of=(self, other))


class Full(Pattern, kind="full"):
    """Everybody sees everybody (encoders)."""

    def allow(self, q: Where, k: Where) -> Tensor:
        return _always(q.position, k.position)

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return _always(q.low, k.low)

    def shape(self, length: int) -> Shape | None:
        return "full"


class Causal(Pattern, kind="causal"):
    """Nobody sees the future (decoders)."""

    def allow(self, q: Where, k: Where) -> Tensor:
        return k.position <= q.position

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        return k.low <= q.high

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return k.high <= q.low

    def shape(self, length: int) -> Shape | None:
        return "causal"


class Prefix(Pattern, kind="prefix"):
    """Causal, but everybody sees the tokens that the batch marks as a prefix, so that those are read both ways.

    Raffel et al. 2020 (arXiv:1910.10683). A batch that marks none makes it causal.
    """

    def allow(self, q: Where, k: Where) -> Tensor:
        past = k.position <= q.position
        return past if k.prefix is None else past | k.prefix

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        past = k.low <= q.high
        return past if k.prefix is None else past | k.prefix

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return k.high <= q.low


class Window(Pattern, kind="window"):
    """The last `size` tokens, oneself included (Mistral); with `both`, as many to the right too (ModernBERT)."""

    size: int = Field(256, gt=0)
    both: bool = False

    def allow(self, q: Where, k: Where) -> Tensor:
        distance = q.position - k.position
        return distance.abs() < self.size if self.both else (distance >= 0) & (distance < self.size)

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        near = q.low - k.high < self.size
        return near & (k.low - q.high < (self.size if self.both else 1))

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        near = q.high - k.low < self.size
        return near & (k.high - q.low < (self.size if self.both else 1))

    def shape(self, length: int) -> Shape | None:
        return None if length > self.size else "full" if self.both else "causal"

    @property
    def keep(self) -> int | None:
        return self.size - 1


class And(Pattern, kind="and"):
    """Pairs that every part allows."""

    of: Seq[Pattern] = Field(min_length=1)

    def allow(self, q: Where, k: Where) -> Tensor:
        return reduce(and_, (part.allow(q, k) for part in self.of))

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        return reduce(and_, (part.reach(q, k) for part in self.of))

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return reduce(and_, (part.cover(q, k) for part in self.of))

    def shape(self, length: int) -> Shape | None:
        shapes = [part.shape(length) for part in self.of]
        return None if None in shapes else "causal" if "causal" in shapes else "full"

    @property
    def keep(self) -> int | None:
        return min((part.keep for part in self.of if part.keep is not None), default=None)


class Or(Pattern, kind="or"):
    """Pairs that some part allows."""

    of: Seq[Pattern] = Field(min_length=1)

    def allow(self, q: Where, k: Where) -> Tensor:
        return reduce(or_, (part.allow(q, k) for part in self.of))

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        return reduce(or_, (part.reach(q, k) for part in self.of))

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return reduce(or_, (part.cover(q, k) for part in self.of))

    def shape(self, length: int) -> Shape | None:
        shapes = [part.shape(length) for part in self.of]
        return "full" if "full" in shapes else None if None in shapes else "causal"

    @property
    def keep(self) -> int | None:
        kept = [part.keep for part in self.of]
        return None if None in kept else max(keep for keep in kept if keep is not None)


LETTERS = {"S": "window", "L": "causal"}


def _spelled(value: Any) -> Any:
    """Decoders write "SSSL" for three short layers and a long one."""
    if isinstance(value, str) and value and {*value} <= {*LETTERS}:
        return [LETTERS[letter] for letter in value]
    return value


Tiles = Annotated[Tiled[Pattern], BeforeValidator(_spelled)]
"""The patterns of a stack, tiled over its layers: one, a list, or in letters `"SSSL"`, S a window of 256, L causal."""


def _always(q: Tensor, k: Tensor) -> Tensor:
    """True, in the broadcast shape."""
    return (q == q) & (k == k)
