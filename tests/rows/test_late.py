"""Pictures are tried while rows are read, in order, and by several threads."""

import threading
from collections import Counter

import pytest

from trivium.base.errors import DataError
from trivium.rows.late import AHEAD, tried

ROWS = [(f"rows:{n}", n) for n in range(3 * AHEAD)]


def refuse(number):
    if number % 50 == 7:
        raise DataError(f"rows:{number}: image a{number}.png: expected a whole picture, found a broken one: x")
    return -number


def test_the_first_broken_row_ends_the_reading():
    found = []
    with pytest.raises(DataError, match="rows:7: image"):
        found += tried(ROWS, refuse, False, Counter().update)


def test_broken_rows_are_left_out_and_counted_by_reason():
    counts = Counter()
    found = list(tried(ROWS, refuse, True, counts.update))
    assert found == [(where, -number) for where, number in ROWS if number % 50 != 7]
    assert counts == {"row that does not fit: image: expected a whole picture": 4}


def test_several_threads_try_and_few_rows_wait():
    names, ahead, taken = set(), [], []

    def rows():
        for row in ROWS:
            taken.append(row)
            yield row

    for number, _ in enumerate(tried(rows(), lambda _: names.add(threading.get_ident()), False, print), start=1):
        ahead.append(len(taken) - number)
    assert threading.get_ident() not in names and max(ahead) <= AHEAD + 1
