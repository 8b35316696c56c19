"""Packing as learners write it."""

import re

import pytest

from judged import every_mistake_is_told_apart, hint

RIGHT = """
def packing(lengths, room):
    rows, row, left = [], [], room
    for document, length in enumerate(lengths):
        start = 0
        while start < length:
            part = min(left, length - start)
            row.append([document, start, part])
            start, left = start + part, left - part
            if left == 0:
                rows.append(row)
                row, left = [], room
    return rows + [row] if row else rows
"""


def test_each_mistake_has_its_own_hint():
    every_mistake_is_told_apart("packing")
    assert hint("packing", RIGHT) is None
    assert hint("packing", RIGHT, ("[document, start, part]", "(document, start, part)")) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("rows + [row] if row else rows", "rows", "last row is missing"),
        ("[document, start, part]", "[document, 0, part]", "start is always 0"),
        ("[document, start, part]", "[document, start, start + part]", "must be its length"),
        ("[document, start, part]", "[document + 1, start, part]", "counted from 1"),
        ("enumerate(lengths)", "enumerate(sorted(lengths)[::-1])", "sorted by length"),
        ("row.append([document, start, part])", "row.append(part)", "call 1 of 4: expected"),
    ],
)
def test_a_wrong_one_gets_its_hint(before, after, told):
    assert re.search(told, hint("packing", RIGHT, (before, after)) or "right")
