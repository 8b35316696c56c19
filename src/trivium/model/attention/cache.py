"""Keys and values of the past, kept so that a step of generation computes one position.

A layer that can only look back a window keeps only that window. Where each kept key sits is stored beside it, so
masks come from the same predicate as without a cache, in rows of any padding.
"""

import torch
from torch import Tensor

from trivium.model.attention.pattern import Where


class RollingBuffer:
    """A tensor that grows along one axis, in a buffer that is made once; the oldest part falls off.

    At most `capacity` entries are ever appended; with `keep`, only the last `keep` of the past are given back.
    """

    def __init__(self, capacity: int, keep: int | None, dim: int) -> None:
        self.dim, self.length = dim, 0
        self.keep = capacity if keep is None else min(keep, capacity)
        # Twice the window: the past is moved once in `keep` steps, not at each.
        self.size = min(capacity, 2 * self.keep + 1)
        self.buffer: Tensor | None = None

    def append(self, new: Tensor) -> Tensor:
        """Add entries and return what is kept of the past, and after it the new ones."""
        count = new.shape[self.dim]
        if self.buffer is None:
            shape = list(new.shape)
            shape[self.dim] = self.size
            self.buffer = new.new_empty(shape)
        kept = min(self.keep, self.length)
        if self.length + count > self.size:
            past = self.buffer.narrow(self.dim, self.length - kept, kept)
            held = torch.cat([past, new], dim=self.dim)
            self.length = min(self.keep, held.shape[self.dim])
            tail = held.narrow(self.dim, held.shape[self.dim] - self.length, self.length)
            self.buffer.narrow(self.dim, 0, self.length).copy_(tail)
            return held
        self.buffer.narrow(self.dim, self.length, count).copy_(new)
        self.length += count
        return self.buffer.narrow(self.dim, self.length - kept - count, kept + count)

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order (beam search, finished rows)."""
        if self.buffer is not None:
            self.buffer = self.buffer.index_select(0, rows)


class KVCache:
    """The past of one stack: `capacity` positions, and for every layer how many of them it must keep."""

    def __init__(self, capacity: int, keeps: list[int | None]) -> None:
        self.seen, self.plain, self.marked = 0, True, False
        self.tapes = [(RollingBuffer(capacity, keep, dim=2), RollingBuffer(capacity, keep, dim=2)) for keep in keeps]
        self.places = {keep: tuple(RollingBuffer(capacity, keep, dim=1) for _ in Where._fields) for keep in keeps}
        self.memory: dict[int, tuple[Tensor, Tensor]] = {}
        """Keys and values of an encoder's output, by layer: computed once."""

    def extend(self, where: Where, plain: bool) -> dict[int | None, Where]:
        """Note where new tokens sit; give for every `keep` where all held keys sit."""
        self.plain = self.plain and plain
        self.seen += where.position.shape[1]
        if where.prefix is not None:
            assert self.marked or self.seen == where.position.shape[1], "a prefix is read before anything else"
            self.marked = True
        elif self.marked:
            where = where._replace(prefix=torch.zeros_like(where.document).bool())
        return {
            keep: Where(*(tape.append(new) for tape, new in zip(tapes, where, strict=True) if new is not None))
            for keep, tapes in self.places.items()
        }

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add a layer's new keys and values [B, K, T, E]; give all that it holds."""
        keys, values = self.tapes[layer]
        return keys.append(k), values.append(v)

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        for tapes in (*self.tapes, *self.places.values()):
            for tape in tapes:
                tape.select(rows)
        self.memory = {
            layer: (k.index_select(0, rows), v.index_select(0, rows)) for layer, (k, v) in self.memory.items()
        }
