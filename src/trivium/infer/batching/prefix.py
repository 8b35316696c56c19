"""Prefixes: rows that have ended, and whose keys and values a later prompt with the same beginning can use.

So the second turn of a conversation reads nothing again. Zheng et al. 2024, SGLang (arXiv:2312.07104).
"""

from collections.abc import Callable, Iterator, Sequence

from trivium.infer.row import Row


class Prefixes:
    """Ended rows with what they have read, least recently used first."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def add(self, row: Row) -> None:
        """Keep an ended row. Rows that it begins with are not needed any more."""
        self.rows = [one for one in self.rows if not (one.source == row.source and row.begins(one))]
        self.rows.append(row)

    def find(self, row: Row, running: Sequence[Row]) -> Row | None:
        """Return the row that has read most of a prompt's beginning, and count it as used; None if none has any."""
        best = max((*self.rows, *running), key=row.common, default=None)
        if best is None or not row.common(best):
            return None
        if best in self.rows:
            self.rows.remove(best)
            self.rows.append(best)
        return best

    def shrink(self, room: int, size: Callable[[Row], int]) -> None:
        """Drop the least recently used rows until all fit in `room`; `size` gives that of a row."""
        used = sum(map(size, self.rows))
        while used > room and self.rows:
            used -= size(self.rows.pop(0))
