"""Who may look at whom, as one predicate over positions. Nothing here knows of kernels, padding or packing.

`allow(q, k)` works on anything that broadcasts. That documents of a packed row never see each other, and that
padding is never seen, is added to every pattern in one place: `View.mask`.
"""

from typing import Literal, NamedTuple

from pydantic import Field
from torch import Tensor

from trivium.base.config import Choice, Seq


class Where(NamedTuple):
    """Where tokens sit: position inside their document, and the document (0 is padding)."""

    position: Tensor
    document: Tensor


class Pattern(Choice):
    """A set of allowed (query, key) pairs. Patterns combine with `&` and `|`."""

    def allow(self, q: Where, k: Where) -> Tensor:
        """Say for each pair whether the query may see the key."""
        raise NotImplementedError

    def shape(self, length: int) -> Literal["full", "causal"] | None:
        """What the pattern comes down to for one document of this length; None where it needs a mask."""
        return None

    @property
    def keep(self) -> int | None:
        """How many past keys a later query can still see; None is all of them."""
        return None

    def __and__(self, other: "Pattern") -> "Pattern":
        return And(of=(self, other))

    def __or__(self, other: "Pattern") -> "Pattern":
        return Or(of=(self, other))


class Full(Pattern, kind="full"):
    """Everybody sees everybody (encoders)."""

    def allow(self, q: Where, k: Where) -> Tensor:
        return (q.position >= 0) & (k.position >= 0)  # always true, in the broadcast shape

    def shape(self, length: int) -> Literal["full", "causal"] | None:
        return "full"


class Causal(Pattern, kind="causal"):
    """Nobody sees the future (decoders)."""

    def allow(self, q: Where, k: Where) -> Tensor:
        return k.position <= q.position

    def shape(self, length: int) -> Literal["full", "causal"] | None:
        return "causal"


class Window(Pattern, kind="window"):
    """The last `size` tokens, oneself included (Mistral); with `both`, as many to the right too (ModernBERT)."""

    size: int = Field(256, gt=0)
    both: bool = False

    def allow(self, q: Where, k: Where) -> Tensor:
        distance = q.position - k.position
        return distance.abs() < self.size if self.both else (distance >= 0) & (distance < self.size)

    def shape(self, length: int) -> Literal["full", "causal"] | None:
        return None if length > self.size else "full" if self.both else "causal"

    @property
    def keep(self) -> int | None:
        return None if self.both else self.size - 1


class And(Pattern, kind="and"):
    """Pairs that every part allows."""

    of: Seq[Pattern]

    def allow(self, q: Where, k: Where) -> Tensor:
        allowed = self.of[0].allow(q, k)
        for part in self.of[1:]:
            allowed = allowed & part.allow(q, k)
        return allowed

    @property
    def keep(self) -> int | None:
        return min((part.keep for part in self.of if part.keep is not None), default=None)


class Or(Pattern, kind="or"):
    """Pairs that some part allows."""

    of: Seq[Pattern]

    def allow(self, q: Where, k: Where) -> Tensor:
        allowed = self.of[0].allow(q, k)
        for part in self.of[1:]:
            allowed = allowed | part.allow(q, k)
        return allowed

    @property
    def keep(self) -> int | None:
        kept = [part.keep for part in self.of]
        return None if None in kept else max(keep for keep in kept if keep is not None)
