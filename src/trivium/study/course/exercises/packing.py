"""Packing documents into rows of one length."""

from collections.abc import Callable, Sequence

import numpy as np

from trivium.data.pack import concat
from trivium.study.course.exercise import Case, Exercise

TEXT = '''def packing(lengths, room):
    """Return rows, filled in the order of the documents; each is a list of pieces [document, start, length].

    lengths are the tokens of each document, room is the length of a row. A document that does not fit the rest of a row
    is cut there and goes on in the next row. Only the last row may be short.

        packing([5, 2], 4) == [[[0, 0, 4]], [[0, 4, 1], [1, 0, 2]]]
    """
    raise NotImplementedError
'''

Rows = list[list[list[int]]]


def cases() -> list[Case]:
    """Return documents that fit, that are cut once, and that are longer than two rows."""
    return [([4, 4], 4), ([5, 2], 4), ([3, 6, 1, 2], 4), ([11, 1, 3], 5)]


def ours(lengths: Sequence[int], room: int) -> Rows:
    """Return the rows of our plan."""
    plan = concat(np.array(lengths), room)
    spans = zip(plan.rows[:-1].tolist(), plan.rows[1:].tolist(), strict=True)
    return [[list(piece) for piece in plan.pieces(first, last)] for first, last in spans]


def whole(lengths: Sequence[int], room: int) -> Rows:
    """Return rows of which each begins anew where a document does not fit."""
    rows: Rows = [[]]
    for at, length in enumerate(lengths):
        if sum(piece[2] for piece in rows[-1]) + length > room and rows[-1]:
            rows.append([])
        rows[-1].append([at, 0, length])
    return rows


def alone(lengths: Sequence[int], room: int) -> Rows:
    """Return rows that hold one document each."""
    return [row for at, n in enumerate(lengths) for row in ([[at, s, min(room, n - s)]] for s in range(0, n, room))]


def changed(change: Callable[[list[int]], list[int]]) -> Callable[[Sequence[int], int], Rows]:
    """Return our rows with each piece changed."""
    return lambda lengths, room: [[change(piece) for piece in row] for row in ours(lengths, room)]


def dropped(lengths: Sequence[int], room: int) -> Rows:
    """Return rows in which what does not fit is dropped."""
    return [[[piece[0], 0, min(piece[2], room)] for piece in row] for row in whole(lengths, room)]


MISTAKES = [
    (
        "the last row is missing: it is kept even where it is short",
        lambda n, room: [row for row in ours(n, room) if sum(piece[2] for piece in row) == room],
    ),
    ("a document that does not fit begins a new row; cut it, and fill the row first", whole),
    ("what does not fit a row is dropped; it goes on in the next row", dropped),
    ("each row has one document; the next document fills the rest of a row", alone),
    (
        "start is always 0; the second piece of a document begins where the first ended",
        changed(lambda piece: [piece[0], 0, piece[2]]),
    ),
    (
        "the third number is the end of a piece; it must be its length",
        changed(lambda piece: [piece[0], piece[1], piece[1] + piece[2]]),
    ),
    ("documents are counted from 1; the first is 0", changed(lambda piece: [piece[0] + 1, *piece[1:]])),
    ("the documents are sorted by length; keep their order", lambda n, room: ours(sorted(n, reverse=True), room)),
]

EXERCISE = Exercise("packing", TEXT, cases, ours, MISTAKES)
