"""Loader: batches in an order that is a pure function of (seed, sample), so its whole state is two integers.

The order does not depend on the number of ranks: a step is a slice of it, and a rank takes its part of the slice. A
thread prepares the next step while the current one is computed.
"""

import queue
import threading
from collections.abc import Iterator

from trivium.base.batch import Batch, collate
from trivium.data.order import Order
from trivium.data.rows import Rows


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
    ) -> None:
        self.rows, self.step_rows, self.micro_rows, self.pad = rows, step_rows, micro_rows, pad
        self.seed, self.rank, self.world = seed, rank, world
        self.samples = samples
        """The number of samples in all; None is without end. The last step takes the rest."""
        self.locate = Order(rows.size, seed).locate
        """Return the (epoch, row) of a global sample."""

    def epochs(self, count: float) -> int:
        """Return the number of samples in `count` epochs."""
        whole = int(count)
        return sum(self.rows.size(epoch) for epoch in range(whole)) + int((count - whole) * self.rows.size(whole))

    def step(self, step: int) -> list[Batch]:
        """Return the micro-batches of a step for this rank; one of padding alone if the rank has no rows."""
        first = step * self.step_rows
        last = first + self.step_rows if self.samples is None else min(first + self.step_rows, self.samples)
        mine = [self.rows.row(*self.locate(sample)) for sample in range(first + self.rank, last, self.world)]
        chunks = [mine[at : at + self.micro_rows] for at in range(0, len(mine), self.micro_rows)] or [[[]]]  # type: ignore[list-item]
        # A multiple of 8 gives few distinct shapes, for the allocator and the compiler.
        return [collate(chunk, self.pad, self.rows.length, multiple=8) for chunk in chunks]

    def stream(self, start: int, stop: int) -> Iterator[list[Batch]]:
        """Yield the steps [start, stop), prepared ahead by a thread, whose errors are raised here."""
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
                item = ready.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            done.set()


def in_order(rows: Rows, micro_rows: int, pad: int, rank: int = 0, world: int = 1) -> Iterator[Batch]:
    """Yield every row of epoch 0 once, in order, for evaluation. Ranks share the rows; the last batch may be short."""
    mine = range(rank, rows.size(0), world)
    for at in range(0, len(mine), micro_rows):
        yield collate([rows.row(0, index) for index in mine[at : at + micro_rows]], pad, rows.length)
