"""Prefixes: the longest beginning is found, the least recently used goes first, and what a row begins with goes."""

import torch

from trivium.infer.batching.prefix import Prefixes
from trivium.infer.row import Row
from trivium.infer.sampling import Sampling


def read(ids: list[int], source: list[int] | None = None) -> Row:
    """A row that has read all of its prompt."""
    row = Row(ids, source, Sampling(), torch.Generator(), 4)
    row.read = len(ids)
    return row


def test_the_longest_beginning_is_found_and_counts_as_used() -> None:
    kept = Prefixes()
    short, long, other = read([1, 2, 9]), read([1, 2, 3, 4, 8]), read([7, 7])
    for row in (long, short, other):
        kept.add(row)
    asked = Row([1, 2, 3, 4, 5], None, Sampling(), torch.Generator(), 4)
    assert kept.find(asked, []) is long and list(kept) == [short, other, long]
    running = read([1, 2, 3, 4, 5, 6])
    assert kept.find(Row([1, 2, 3, 4, 5, 6], None, Sampling(), torch.Generator(), 4), [running]) is running
    assert kept.find(Row([5, 5], None, Sampling(), torch.Generator(), 4), []) is None
    assert kept.find(Row([1, 2, 3], [4], Sampling(), torch.Generator(), 4), []) is None, "another source"


def test_a_row_takes_the_place_of_those_it_begins_with() -> None:
    kept = Prefixes()
    first, longer, apart = read([1, 2]), read([1, 2, 3]), read([1, 3])
    for row in (first, apart, longer):
        kept.add(row)
    assert list(kept) == [apart, longer]


def test_the_least_recently_used_goes_first() -> None:
    kept = Prefixes()
    rows = [read([n, n, n]) for n in range(4)]
    for row in rows:
        kept.add(row)
    kept.shrink(7, lambda row: row.read)
    assert list(kept) == rows[2:]
    kept.shrink(-1, lambda row: row.read)
    assert not list(kept)
