"""The KV cache: keys and values of past positions, so that a step of generation computes one position.

A layer with a window keeps only that window. The place of each key is known, so masks come from the same predicate as
without a cache, in rows with any padding. It is stored beside the key, but in rows of one whole document it is counted.
"""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from trivium.model.attention.pattern import Full, Pattern, Where
from trivium.model.attention.view import View
from trivium.model.layer.position import RelativePosition

Pairs = list[tuple[Tensor, Tensor]]
"""Keys and values [B, K, S, E], one pair for each part of a View."""


class Memory(NamedTuple):
    """The output of an encoder [B, S, D], and the places of its tokens."""

    states: Tensor
    where: Where

    def select(self, rows: Tensor) -> "Memory":
        """Return these rows, in the given order."""
        return Memory(self.states[rows], self.where.map(lambda x: x[rows]))


@cache
def counting(device: torch.device, size: int) -> tuple[Tensor, Tensor]:
    """Return the positions and documents [1, size] of one whole document."""
    return torch.arange(size, device=device)[None], torch.ones(1, size, dtype=torch.long, device=device)


class RollingBuffer:
    """Tensors that grow along one axis in a buffer that is made once; the oldest entries are dropped.

    At most `capacity` entries are added in all; with `keep`, only the last `keep` past entries are kept.
    """

    def __init__(self, empty: Tensor, dim: int, capacity: int, keep: int | None) -> None:
        """`empty` has no entries at `dim`; its other axes are those of the buffer."""
        self.dim, self.window, self.length, self.total = dim, keep, 0, 0
        self.keep = capacity if keep is None else min(keep, capacity)
        # Twice the window: the past is moved once in `keep` steps, not at every step.
        self.size = min(capacity, 2 * self.keep + 1)
        self.buffer = self._room(empty, self.size)

    def advance(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the room for `count` new entries, and all that is kept: the past, then the room."""
        kept = min(self.keep, self.length)
        if self.length + count > self.buffer.shape[self.dim]:
            past = self.buffer.narrow(self.dim, self.length - kept, kept)
            self.buffer = self._room(self.buffer, max(self.size, kept + count))
            self.buffer.narrow(self.dim, 0, kept).copy_(past)
            self.length = kept
        self.length += count
        self.total += count
        room = self.buffer.narrow(self.dim, self.length - count, count)
        return room, self.buffer.narrow(self.dim, self.length - kept - count, kept + count)

    def copy(self, back: int, capacity: int) -> "RollingBuffer | None":
        """Return a copy without the last `back` entries, or None where entries that it needs have been dropped."""
        end = self.length - back
        if end < min(self.keep, self.total - back):
            return None
        made = RollingBuffer(self.buffer, self.dim, capacity, self.window)
        kept = min(end, made.size)
        made.advance(kept)[0].copy_(self.buffer.narrow(self.dim, end - kept, kept))
        made.total = self.total - back
        return made

    def trim(self, count: int) -> None:
        """Drop the last `count` entries, which the last call has added."""
        self.length, self.total = self.length - count, self.total - count
        assert self.length >= min(self.keep, self.total), "entries in front of these have been dropped"

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, axis 1, in this order."""
        self.buffer = self.buffer.index_select(1, rows)

    def _room(self, like: Tensor, size: int) -> Tensor:
        return like.new_empty([size if axis == self.dim else n for axis, n in enumerate(like.shape)])


class KVCache:
    """The keys and values of one stack: at most `capacity` positions.

    A stack reads `memory` where it has cross-attention; its keys and values are computed once.
    """

    def __init__(self, empty: Tensor, capacity: int, keeps: Sequence[int | None], memory: Memory | None = None) -> None:
        """`empty` [B, K, 0, E] has the shape, dtype and device of keys; `keeps` is the window of each layer."""
        self.capacity, self.seen, self.plain, self.marked = capacity, 0, True, False
        self.layers = {keep: [layer for layer, one in enumerate(keeps) if one == keep] for keep in keeps}
        self.buffers = {
            keep: RollingBuffer(empty.expand(2 * len(layers), -1, -1, -1, -1), 3, capacity, keep)
            for keep, layers in self.layers.items()
        }
        """Keys, then values, of the layers of each window: [2 L, B, K, S, E]."""
        self.places: dict[int | None, RollingBuffer] = {}
        """Position, document and prefix of each key, by window: [3, B, S]. Those of whole documents are not stored."""
        self.memory = memory
        self.crossed: dict[int, tuple[Tensor, Tensor]] = {}
        """Keys and values of the memory by layer."""

    def extend(self, where: Where, plain: bool) -> None:
        """Make room for new tokens in every layer, and store their places."""
        count = where.position.shape[1]
        past, self.seen, self.where = self.seen, self.seen + count, where
        if where.prefix is not None and not past:
            self.marked = True
        elif self.marked:
            assert where.prefix is None or not where.prefix.any(), "a prefix is read before anything else"
            self.where = where._replace(prefix=torch.zeros_like(where.document).bool())
        self.plain = self.plain and plain
        if not self.places and not (plain and where.prefix is None):
            self.places = self._past(past)
        self.keys: dict[int | None, Where] = {}
        self.room: dict[int, tuple[Tensor, Tensor]] = {}
        self.held: dict[int, tuple[Tensor, Tensor]] = {}
        for keep, layers in self.layers.items():
            self.keys[keep] = self._locate(keep, count)
            room, held = (both.unbind() for both in self.buffers[keep].advance(count))
            half = len(layers)
            for at, layer in enumerate(layers):
                self.room[layer], self.held[layer] = (room[at], room[at + half]), (held[at], held[at + half])

    def _locate(self, keep: int | None, count: int) -> Where:
        """Return the places of the kept keys of a window, the `count` newest included."""
        if not self.places:
            first = 0 if keep is None else max(self.seen - count - keep, 0)
            positions, ones = counting(self.where.position.device, -(-self.seen // 1024) * 1024)
            return Where(positions[:, first : self.seen], ones[:, first : self.seen])
        room, held = self.places[keep].advance(count)
        for one, new in zip(room, self.where[:3], strict=True):
            if new is not None:
                one.copy_(new)
        return Where(held[0], held[1], held[2].bool() if self.marked else None)

    def _past(self, count: int) -> dict[int | None, RollingBuffer]:
        """Return buffers of places with the first `count`, which were those of whole documents."""
        rows, device = self.where.position.shape[0], self.where.position.device
        made = {}
        for keep in self.layers:
            empty = torch.empty(3, rows, 0, dtype=torch.long, device=device)
            made[keep] = RollingBuffer(empty, 2, self.capacity, keep)
            if count:
                room, _ = made[keep].advance(count)
                room[0], room[1], room[2] = torch.arange(count, device=device), 1, 0
        return made

    def view(self, pattern: Pattern, relative: RelativePosition) -> View:
        """Return the View of the newest tokens to all kept ones."""
        return View(pattern, self.where, self.keys[pattern.keep], self.plain, relative)

    def across(self) -> View | None:
        """Return the View of the newest tokens to the memory, where there is one."""
        return None if self.memory is None else View(Full(), self.where, self.memory.where)

    def append(self, layer: int, k: Tensor, v: Tensor) -> Pairs:
        """Store new keys and values [B, K, T, E] of a layer; return all kept ones [B, K, S, E]."""
        keys, values = self.room[layer]
        keys.copy_(k)
        values.copy_(v)
        return [self.held[layer]]

    def cross(self, layer: int, make: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Pairs:
        """Return the keys and values of the memory for a layer, made once."""
        assert self.memory is not None, "a layer with cross-attention needs a memory"
        if layer not in self.crossed:
            self.crossed[layer] = make(self.memory.states)
        return [self.crossed[layer]]

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        for buffer in (*self.buffers.values(), *self.places.values()):
            buffer.select(rows)
        self.memory = None if self.memory is None else self.memory.select(rows)
        self.crossed = {layer: (k[rows], v[rows]) for layer, (k, v) in self.crossed.items()}

    def trim(self, count: int) -> None:
        """Drop the last `count` positions; at most those of the last pass, so that a window has what it needs."""
        self.seen -= count
        for buffer in (*self.buffers.values(), *self.places.values()):
            buffer.trim(count)

    def fork(self, seen: int, capacity: int) -> "KVCache | None":
        """Return a copy of the first `seen` positions, or None where a window has dropped keys that it needs."""
        back, made = self.seen - seen, copy(self)
        made.capacity, made.seen, made.crossed = capacity, seen, dict(self.crossed)
        for name in ("buffers", "places"):
            copies = {keep: one.copy(back, capacity) for keep, one in getattr(self, name).items()}
            if None in copies.values():
                return None
            setattr(made, name, copies)
        return made
