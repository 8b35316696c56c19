"""The KV cache: keys and values of past positions, so that a step of generation computes one position.

A layer with a window keeps only that window. The place of each key is stored beside it, so masks come from the same
predicate as without a cache, in rows with any padding.
"""

import torch
from torch import Tensor

from trivium.model.attention.pattern import Where


class RollingBuffer:
    """A tensor that grows along one axis in a buffer that is made once; the oldest entries are dropped.

    At most `capacity` entries are appended in all; with `keep`, only the last `keep` past entries are returned.
    """

    def __init__(self, capacity: int, keep: int | None, dim: int) -> None:
        self.dim, self.length = dim, 0
        self.keep = capacity if keep is None else min(keep, capacity)
        # Twice the window: the past is moved once in `keep` steps, not at every step.
        self.size = min(capacity, 2 * self.keep + 1)
        self.buffer: Tensor | None = None

    def append(self, new: Tensor) -> Tensor:
        """Append entries; return the kept past entries followed by the new ones."""
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
    """The keys and values of one stack: at most `capacity` positions; `keeps` is the window of each layer."""

    def __init__(self, capacity: int, keeps: list[int | None]) -> None:
        self.seen, self.plain, self.marked = 0, True, False
        self.buffers = [(RollingBuffer(capacity, keep, dim=2), RollingBuffer(capacity, keep, dim=2)) for keep in keeps]
        self.places = {keep: tuple(RollingBuffer(capacity, keep, dim=1) for _ in Where._fields) for keep in keeps}
        self.memory: dict[int, tuple[Tensor, Tensor]] = {}
        """Keys and values of the encoder's output by layer, computed once."""

    def extend(self, where: Where, plain: bool) -> dict[int | None, Where]:
        """Store the places of new tokens; return for each window the places of all kept keys."""
        self.plain = self.plain and plain
        self.seen += where.position.shape[1]
        if where.prefix is not None:
            assert self.marked or self.seen == where.position.shape[1], "a prefix is read before anything else"
            self.marked = True
        elif self.marked:
            where = where._replace(prefix=torch.zeros_like(where.document).bool())
        return {
            keep: Where(*(buffer.append(new) for buffer, new in zip(buffers, where, strict=True) if new is not None))
            for keep, buffers in self.places.items()
        }

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append new keys and values [B, K, T, E] of a layer; return all kept ones [B, K, S, E]."""
        keys, values = self.buffers[layer]
        return keys.append(k), values.append(v)

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        for buffers in (*self.buffers, *self.places.values()):
            for buffer in buffers:
                buffer.select(rows)
        self.memory = {
            layer: (k.index_select(0, rows), v.index_select(0, rows)) for layer, (k, v) in self.memory.items()
        }
