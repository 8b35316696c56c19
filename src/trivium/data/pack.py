"""Packing: which pieces of which documents share a row. A plan holds indices; tokens are never copied.

Best-fit decreasing as in Ding et al. 2024, "Fewer Truncations Improve Language Modeling" (arXiv:2404.10830).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RowPlan:
    """Row r holds pieces rows[r] ... rows[r+1] - 1; a piece is `length` tokens of `document` from `start`."""

    document: np.ndarray
    start: np.ndarray
    length: np.ndarray
    rows: np.ndarray
    room: int

    def __len__(self) -> int:
        return len(self.rows) - 1

    def pieces(self, first: int, last: int) -> Iterable[tuple[int, int, int]]:
        """Yield (document, start, length) of the pieces first ... last - 1."""
        here = slice(first, last)
        return zip(self.document[here].tolist(), self.start[here].tolist(), self.length[here].tolist(), strict=True)

    @property
    def tokens(self) -> int:
        """The number of tokens in the plan."""
        return int(self.length.sum())

    @property
    def waste(self) -> float:
        """The share of places that stay empty."""
        return 1.0 - self.tokens / max(1, len(self) * self.room)

    @property
    def cut(self) -> int:
        """The number of documents that are cut into several pieces."""
        return int((np.bincount(self.document, minlength=1) > 1).sum()) if len(self.document) else 0

    def whole(self) -> "RowPlan":
        """Return the plan without a last row that is not full."""
        first = int(self.rows[-2]) if len(self) else 0
        if self.length[first:].sum() == self.room or not len(self):
            return self
        return RowPlan(self.document[:first], self.start[:first], self.length[:first], self.rows[:-1], self.room)


def concat(lengths: np.ndarray, room: int) -> RowPlan:
    """Fill rows of `room` tokens in the order of the documents; cut where a row ends. Only the last may be short."""
    lengths = np.asarray(lengths, dtype=np.int64)
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    # Pieces end where a document or a row ends.
    cuts = np.unique(np.concatenate([[0], ends, np.arange(room, total, room)])).astype(np.int64)
    begin, length = cuts[:-1], np.diff(cuts)
    document = np.searchsorted(ends, begin, side="right")
    start = begin - (ends[document] - lengths[document]) if len(begin) else begin
    rows = np.searchsorted(begin // room, np.arange(-(-total // room) + 1))
    return RowPlan(document, start, length, rows, room)


def best_fit(lengths: np.ndarray, room: int) -> RowPlan:
    """Put each piece, longest first, into the fullest row with enough room, which leaves almost no space.

    A document is cut only if it is longer than a row. One integer has a bit for each size of free space, so the best
    fit is its lowest bit from the piece's length on.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    pieces = -(-lengths // room)
    document = np.repeat(np.arange(len(lengths)), pieces)
    start = room * (np.arange(len(document)) - np.repeat(np.cumsum(pieces) - pieces, pieces))
    length = np.minimum(room, lengths[document] - start)
    order = np.argsort(-length, kind="stable")
    row_of = np.empty(len(length), dtype=np.int64)
    open_rows: list[list[int]] = [[] for _ in range(room + 1)]
    free, count = 0, 0
    for piece in order.tolist():
        size = int(length[piece])
        if fits := free >> size:
            space = size + (fits & -fits).bit_length() - 1
            row = open_rows[space].pop()
            if not open_rows[space]:
                free ^= 1 << space
        else:
            space, row, count = room, count, count + 1
        row_of[piece] = row
        if left := space - size:
            open_rows[left].append(row)
            free |= 1 << left
    order = np.argsort(row_of, kind="stable")
    rows = np.searchsorted(row_of[order], np.arange(count + 1))
    return RowPlan(document[order], start[order], length[order], rows, room)


PLANNERS = {"concat": concat, "bestfit": best_fit}
