"""Slots: the keys and values of many rows side by side, so that attention takes them all in one call.

A row has the slot of a home whose slots have all one capacity; a row that outgrows it moves to another home. Each row
is one whole document from its first position on, so a key's place is its place in the slot. Knows no pass.
"""

from collections.abc import Callable

from torch import Tensor

from trivium.model.attention.cache import KVCache, Memory

BLOCK = 128
"""Capacities are multiples of this many positions."""


class Slot:
    """The keys and values of one row, and those of its memory beside an encoder."""

    def __init__(self, home: "Slots", index: int, seen: int, memory: Memory | None, prefix: int = 0) -> None:
        self.home, self.index, self.seen, self.memory = home, index, seen, memory
        self.prefix = prefix
        """The first positions that a pattern with a prefix reads in both directions."""
        self.crossed = 0
        """The layers whose keys and values of the memory are made."""

    @property
    def source(self) -> int:
        """The number of positions of the memory."""
        return 0 if self.memory is None or not self.home.memory else self.memory.states.shape[1]

    def trim(self, count: int) -> None:
        """Drop the last `count` positions."""
        self.seen -= count

    def leave(self) -> None:
        """Give the slot back; the last one of the home takes its place."""
        self.home.close(self)


class Slots:
    """A home: slots of one capacity, each with room for a memory of one size."""

    def __init__(self, like: Tensor, layers: int, capacity: int, memory: int) -> None:
        """`like` [K, E] has the shape, dtype and device of the keys of a position."""
        heads, width = like.shape
        sizes = [capacity] * (2 * layers) + [memory] * (2 * layers if memory else 0)
        # Zeros, because a key that nobody sees has the weight zero, and not each number times zero is zero.
        self.buffers = [like.new_zeros(0, heads, size, width) for size in sizes]
        """Keys and values by layer, then those of memories: [R, K, S, E]."""
        self.layers, self.capacity, self.memory = layers, capacity, memory
        self.rows: list[Slot] = []

    @property
    def width(self) -> int:
        """The positions of a slot, those of the memory included."""
        return self.capacity + self.memory

    @property
    def room(self) -> int:
        """The number of slots that there is room for."""
        return len(self.buffers[0])

    def resize(self, room: int) -> None:
        """Make room for so many slots, one buffer at a time, so that no second copy of all is in the memory."""
        for at, old in enumerate(self.buffers):
            self.buffers[at] = old.new_zeros(room, *old.shape[1:])
            self.buffers[at][: len(self.rows)] = old[: len(self.rows)]

    def take(self, seen: int, memory: Memory | None = None, source: Slot | None = None) -> Slot:
        """Return a new slot with the first `seen` positions of another one, and its memory."""
        slot = Slot(self, len(self.rows), seen, memory)
        if slot.index == self.room:
            self.resize(slot.index + 1)
        if source is not None:
            slot.memory, slot.crossed, slot.prefix = source.memory, source.crossed, min(source.prefix, seen)
            for at, (mine, theirs) in enumerate(zip(self.buffers, source.home.buffers, strict=True)):
                count = seen if at < 2 * self.layers else slot.source
                mine[slot.index, :, :count] = theirs[source.index, :, :count]
        self.rows.append(slot)
        return slot

    def close(self, slot: Slot) -> None:
        """Take a slot out."""
        last = self.rows.pop()
        if last is not slot:
            for at, buffer in enumerate(self.buffers):
                count = last.seen if at < 2 * self.layers else last.source
                buffer[slot.index, :, :count] = buffer[last.index, :, :count]
            self.rows[slot.index], last.index = last, slot.index

    def cross(self, layer: int, make: Callable[[Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return the keys and values of all memories for a layer; `make` makes those of new rows."""
        keys, values = self.buffers[2 * (self.layers + layer) :][:2]
        for slot in self.rows:
            if slot.crossed <= layer and slot.memory is not None:
                made = make(slot.memory.states)
                keys[slot.index, :, : slot.source], values[slot.index, :, : slot.source] = made[0][0], made[1][0]
                slot.crossed = layer + 1
        return keys, values


class Pool:
    """Homes of all capacities."""

    def __init__(self, empty: KVCache, most: int | None) -> None:
        """`empty` is a cache of the stack, whose layers, heads and windows the slots have; no row has `most` + 1."""
        buffer = next(iter(empty.buffers.values())).buffer
        self._like, self._most = buffer.new_empty(buffer.shape[2], buffer.shape[4]), most
        self.keeps = {layer: keep for keep, layers in empty.layers.items() for layer in layers}
        """The window of each layer."""
        self._homes: dict[tuple[int, int], Slots] = {}

    @property
    def allocated(self) -> int:
        """The positions that there is room for."""
        return sum(home.room * home.width for home in self._homes.values())

    def width(self, count: int, source: int) -> int:
        """Return the positions of a slot for `count` positions and a memory of `source`."""
        return sum(self._sizes(count, source))

    def home(self, count: int, source: int) -> Slots:
        """Return the home for rows of `count` positions and memories of `source`."""
        key = self._sizes(count, source)
        if key not in self._homes:
            self._homes[key] = self.alone(*key)
        return self._homes[key]

    def alone(self, capacity: int, memory: int) -> Slots:
        """Return a home that is not in the pool."""
        return Slots(self._like, len(self.keeps), capacity, memory)

    def compact(self) -> None:
        """Give back the room of slots that nobody has."""
        for home in self._homes.values():
            if home.room > len(home.rows):
                home.resize(len(home.rows))

    def _sizes(self, count: int, source: int) -> tuple[int, int]:
        """Return capacities: the next powers of two, so that there are few homes."""
        whole = _blocks(self._most or count)
        capacity = max(BLOCK, min(1 << (count - 1).bit_length(), max(whole, _blocks(count))))
        return capacity, max(BLOCK, 1 << (source - 1).bit_length()) if source else 0


def _blocks(count: int) -> int:
    return -(-count // BLOCK) * BLOCK
