"""Rows whose pictures are tried while rows are read: a broken one ends the run in its first minute, not its last."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from trivium.base.errors import DataError
from trivium.data.loader import READERS
from trivium.rows.mistake import reason
from trivium.rows.read import BAD

AHEAD = 64
"""The rows that are tried at a time."""
Row = TypeVar("Row")
Made = TypeVar("Made")


def tried(
    rows: Iterable[tuple[str, Row]], make: Callable[[Row], Made], skip_bad: bool, drop: Callable[[list[str]], object]
) -> Iterator[tuple[str, Made]]:
    """Yield the rows (where, row) as (where, make(row)) in their order; some threads make them.

    A row for which it raises DataError ends the reading, or with `skip_bad` is left out and dropped with its reason.
    """
    waiting: deque[tuple[str, Future[Made]]] = deque()

    def settled() -> Iterator[tuple[str, Made]]:
        where, done = waiting.popleft()
        try:
            made = done.result()
        except DataError as wrong:
            if not skip_bad:
                raise
            drop([f"{BAD}: {reason(str(wrong).removeprefix(f'{where}: '))}"])
        else:
            yield where, made

    with ThreadPoolExecutor(READERS) as readers:
        for where, row in rows:
            waiting.append((where, readers.submit(make, row)))
            if len(waiting) > AHEAD:
                yield from settled()
        while waiting:
            yield from settled()
