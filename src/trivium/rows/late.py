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
Made = TypeVar("Made")


def tried(
    rows: Iterable[tuple[str, Made]],
    check: Callable[[Made], object],
    skip_bad: bool,
    drop: Callable[[list[str]], object],
) -> Iterator[tuple[str, Made]]:
    """Yield the rows (where, made) in their order after check(made), which some threads call.

    A row for which it raises DataError ends the reading, or with `skip_bad` is left out and dropped with its reason.
    """
    waiting: deque[tuple[str, Made, Future[object]]] = deque()

    def settled() -> Iterator[tuple[str, Made]]:
        where, made, done = waiting.popleft()
        try:
            done.result()
        except DataError as wrong:
            if not skip_bad:
                raise
            drop([f"{BAD}: {reason(str(wrong).removeprefix(f'{where}: '))}"])
        else:
            yield where, made

    with ThreadPoolExecutor(READERS) as readers:
        for where, made in rows:
            waiting.append((where, made, readers.submit(check, made)))
            if len(waiting) > AHEAD:
                yield from settled()
        while waiting:
            yield from settled()
