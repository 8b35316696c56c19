"""Loader: batches in an order that is a pure function of (seed, sample), so its whole state is two integers.

The order does not depend on the number of ranks: a step is a slice of it, and a rank takes its part of the slice. A
thread prepares the next step while the current one is computed.
"""

import os
import queue
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from trivium.base.batch import Batch, collate
from trivium.base.log import watched
from trivium.base.process import asked
from trivium.base.seeds import permute
from trivium.base.types import Example
from trivium.data.rows import Rows

BLOCK = 1 << 12
"""The samples whose order is computed at a time; the last blocks are kept."""
READERS = min(4, os.cpu_count() or 1)
"""The threads that read the files of late examples."""


POLL_SECONDS = 0.1
"""How often a wait for data looks whether the run is asked to stop."""


class Order:
    """The places of samples 0, 1, 2, ...; `size(epoch)` is the number of rows of an epoch."""

    def __init__(self, size: Callable[[int], int], seed: int) -> None:
        self.size, self.seed = size, seed
        self._starts = [0]
        self._block = lru_cache(maxsize=8)(self._shuffled)

    def locate(self, sample: int) -> tuple[int, int]:
        """Return the (epoch, row) of a sample."""
        while self._starts[-1] <= sample:
            epoch = len(self._starts) - 1
            self._starts.append(self._starts[-1] + self.size(epoch))
        epoch = bisect_right(self._starts, sample) - 1
        block, place = divmod(sample - self._starts[epoch], BLOCK)
        return epoch, self._block(epoch, block).item(place)

    def _shuffled(self, epoch: int, block: int) -> np.ndarray:
        size = self.size(epoch)
        return permute(np.arange(block * BLOCK, min((block + 1) * BLOCK, size)), size, self.seed, epoch)


class Loader:
    """The micro-batches of each step: `step_rows` rows over all ranks, `micro_rows` at a time."""

    def __init__(
        self,
        rows: Rows,
        step_rows: int,
        micro_rows: int,
        pad: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        samples: int | None = None,
        block: int | None = None,
    ) -> None:
        self.rows, self.step_rows, self.micro_rows, self.pad = rows, step_rows, micro_rows, pad
        self.seed, self.rank, self.world = seed, rank, world
        self.samples = samples
        """The number of samples in all; None is without end. The last step takes the rest."""
        self.block = block
        """The rows of a step that a rank takes, which follow each other; None deals them out one by one."""
        self.locate = Order(rows.size, seed).locate
        """Return the (epoch, row) of a global sample."""

    def epochs(self, count: float) -> int:
        """Return the number of samples in `count` epochs."""
        whole = int(count)
        return sum(self.rows.size(epoch) for epoch in range(whole)) + int((count - whole) * self.rows.size(whole))

    def step(self, step: int) -> list[Batch]:
        """Return the micro-batches of a step for this rank, as many as for every rank; what has no rows is padding."""
        first = step * self.step_rows
        last = first + self.step_rows if self.samples is None else min(first + self.step_rows, self.samples)
        at = first + self.rank * (self.block or 1)
        samples = range(at, min(at + self.block, last)) if self.block else range(at, last, self.world)
        mine = gather(self.rows, map(self.locate, samples))
        most = min(last - first, self.block) if self.block else -(-(last - first) // self.world)
        chunks = [mine[at : at + self.micro_rows] or [[]] for at in range(0, max(most, 1), self.micro_rows)]
        # A multiple of 8 gives few distinct shapes, for the allocator and the compiler.
        return [collate(chunk, self.pad, self.rows.length, multiple=8) for chunk in chunks]

    def stream(self, start: int, stop: int) -> Iterator[list[Batch]]:
        """Yield the steps [start, stop), prepared ahead by a thread, whose errors are raised here.

        A step that does not come before the run is asked to stop is empty.
        """
        ready: queue.Queue[list[Batch] | BaseException] = queue.Queue(maxsize=2)
        done = threading.Event()

        def put(item: list[Batch] | BaseException) -> None:
            while not done.is_set():
                try:
                    return ready.put(item, timeout=0.1)
                except queue.Full:
                    continue

        def work() -> None:
            try:
                for step in range(start, stop):
                    if done.is_set():
                        return
                    put(self.step(step))
            except BaseException as error:
                put(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            for _ in range(start, stop):
                item = next_of(ready)
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            done.set()


def next_of(ready: "queue.Queue[list[Batch] | BaseException]") -> list[Batch] | BaseException:
    """Return the next item of a queue; an empty one where the run is asked to stop meanwhile."""
    while True:
        try:
            return ready.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if asked():
                return []


def in_order(rows: Rows, micro_rows: int, pad: int, rank: int = 0, world: int = 1) -> Iterator[Batch]:
    """Yield every row of epoch 0 once, in order, for evaluation. Ranks share the batches; the last one may be short.

    Each rank has as many batches; what has no rows is padding.
    """
    size = rows.size(0)
    turns = range(0, -(-size // (world * micro_rows)) * world * micro_rows, world * micro_rows)
    for turn in watched(turns, "scoring held-out rows", "batches"):
        at = turn + rank * micro_rows
        mine = gather(rows, ((0, index) for index in range(at, min(at + micro_rows, size))))
        yield collate(mine or [[]], pad, rows.length)


def gather(rows: Rows, places: Iterable[tuple[int, int]]) -> list[list[Example]]:
    """Return the rows at these (epoch, index); some threads read them where files are read for them."""
    if not getattr(rows, "late", False):
        return [rows.row(*place) for place in places]
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(lambda place: rows.row(*place), places))
