"""The memory that the heap of the C library needs for a sequence of blocks: more than lives, because it has gaps.

This is glibc's way. A block of some alignment is cut out of the smallest gap that has room for the block and the
alignment together; what is left on both sides stays a gap; neighbouring gaps are joined; nothing goes back to the
system (`model/device.reuse_memory`). So the gap that a tensor leaves is often too small for the next of its size.
"""

from bisect import bisect_left, insort

import numpy as np

PAGE, LARGE, HEAD = 1 << 12, 1 << 21, 64
"""Bytes of a page, of a large page, and of what stands before a block."""


class Heap:
    """A heap that grows upwards; `touched` is what was ever written, as a run's largest RSS is."""

    def __init__(self) -> None:
        self.top = 0
        self.gaps: list[tuple[int, int]] = []
        """Size and start of every gap, by size."""
        self.starts: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.blocks: dict[int, tuple[int, int]] = {}
        self.written = np.zeros(1, bool)

    @property
    def touched(self) -> int:
        """The bytes of all pages that were ever part of a block."""
        return PAGE * int(self.written.sum())

    def take(self, name: int, size: int, align: int) -> None:
        """Give a block to a name."""
        size = -(-size // 16) * 16
        need = size + align + HEAD
        place = bisect_left(self.gaps, (need, -1))
        if place < len(self.gaps):
            room, start = self._close(place)
        elif (start := self.top) in self.ends:  # a gap at the top grows
            at = self.ends[start]
            self._close(bisect_left(self.gaps, (self.starts[at], at)))
            start, room = at, need
        else:
            room = need
        self.top = max(self.top, start + room)
        begin = -(-(start + 16) // align) * align - 16 if align > 16 else start
        self._open(start, begin)
        self._open(begin + size + 16, start + room)
        self.blocks[name] = begin, begin + size + 16
        first, last = begin // PAGE, -(-(begin + size + 16) // PAGE)
        if last > len(self.written):
            self.written = np.pad(self.written, (0, last + len(self.written)))
        self.written[first:last] = True

    def drop(self, name: int) -> None:
        """Take a block back."""
        start, stop = self.blocks.pop(name)
        if start in self.ends:
            at = self.ends[start]
            self._close(bisect_left(self.gaps, (self.starts[at], at)))
            start = at
        if stop in self.starts:
            size = self.starts[stop]
            self._close(bisect_left(self.gaps, (size, stop)))
            stop += size
        self._open(start, stop)

    def _open(self, start: int, stop: int) -> None:
        if stop > start:
            insort(self.gaps, (stop - start, start))
            self.starts[start], self.ends[stop] = stop - start, start

    def _close(self, place: int) -> tuple[int, int]:
        size, start = self.gaps.pop(place)
        del self.starts[start], self.ends[start + size]
        return size, start
