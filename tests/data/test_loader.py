import threading
import time

import numpy as np
import pytest

import tiny
from trivium.base.errors import DataError
from trivium.base.seeds import permute
from trivium.base.types import IGNORE, Example
from trivium.data import loader as room
from trivium.data.loader import Order, in_order
from trivium.data.rows import ExampleRows, LateExample


class Numbered:
    """Rows whose only token is their number; an epoch may have another size than the one before."""

    def __init__(self, *sizes, broken=None):
        self.sizes, self.broken, self.length = sizes, broken, 8

    def size(self, epoch):
        return self.sizes[epoch % len(self.sizes)]

    def row(self, epoch, index):
        if (epoch, index) == self.broken:
            raise ValueError(f"row {index} of epoch {epoch} is broken")
        return [Example(dec=np.array([epoch, index]), targets={"token": np.array([index, IGNORE])})]


def rows_in(batches):
    """(epoch, row) of every row of micro-batches, padding left out."""
    return [
        (int(ids[0]), int(ids[1])) for b in batches for ids, d in zip(b.dec.ids, b.dec.documents, strict=True) if d[0]
    ]


def order(rows, first, last, worlds=lambda step: 1, **options):
    """The global order of samples in steps [first, last), put together from all ranks."""
    found = []
    for step in range(first, last):
        size = worlds(step)
        parts = [rows_in(tiny.loader(rows, rank=rank, world=size, **options).step(step)) for rank in range(size)]
        whole = [None] * sum(map(len, parts))
        for rank, part in enumerate(parts):
            whole[rank::size] = part
        found += whole
    return found


def test_every_epoch_has_every_row_once():
    rows = Numbered(10, 7, 13)
    found = order(rows, 0, 15, step_rows=2)
    assert sorted(found[:10]) == [(0, i) for i in range(10)]
    assert sorted(found[10:17]) == [(1, i) for i in range(7)]
    assert sorted(found[17:30]) == [(2, i) for i in range(13)]


def test_the_order_changes_with_epoch_and_seed():
    shuffles = {
        tuple(row for _, row in order(Numbered(40), 10 * epoch, 10 * epoch + 10, seed=seed))
        for epoch in range(3)
        for seed in range(3)
    }
    assert len(shuffles) == 9 and tuple(range(40)) not in shuffles


@pytest.mark.parametrize("world", [2, 3, 4, 7])
def test_the_global_order_does_not_know_how_many_ranks_there_are(world):
    rows = Numbered(11, 9)
    assert order(rows, 0, 12, lambda step: world) == order(rows, 0, 12)


def test_the_order_goes_on_where_the_number_of_ranks_changes():
    rows = Numbered(11, 9)
    assert order(rows, 0, 12, lambda step: [1, 2, 1, 4][step // 3]) == order(rows, 0, 12)


def test_a_step_does_not_depend_on_the_steps_before_it():
    rows = Numbered(11, 9)
    one = tiny.loader(rows)
    list(one.stream(0, 7))
    assert rows_in(one.step(7)) == rows_in(tiny.loader(rows).step(7))


def test_micro_batches_split_a_step():
    batches = tiny.loader(Numbered(50), step_rows=7, micro_rows=3).step(0)
    assert [len(batch.dec.ids) for batch in batches] == [3, 3, 1]
    assert rows_in(batches) == rows_in(tiny.loader(Numbered(50), step_rows=7, micro_rows=7).step(0))


def test_a_budget_of_samples_ends_exactly():
    rows = Numbered(5)
    assert [len(rows_in(tiny.loader(rows, samples=10).step(step))) for step in range(4)] == [4, 4, 2, 0]
    assert len(order(rows, 0, 3, lambda step: 3, samples=10)) == 10


def test_a_rank_without_rows_gets_padding():
    (batch,) = tiny.loader(Numbered(5), samples=1, rank=3, world=4).step(0)
    assert batch.count() == 0 and not batch.dec.documents.any()


def test_epochs_are_counted_in_samples():
    loader = tiny.loader(Numbered(10, 6))
    assert [loader.epochs(n) for n in (0.5, 1, 1.5, 2, 3)] == [5, 10, 13, 16, 26]


def test_widths_are_few():
    rows = tiny.example_rows([tiny.example(n, n) for n in range(1, 25)])
    assert {batch.dec.ids.shape[1] for batch in tiny.loader(rows).step(0)} <= {8, 16, 24}


def test_a_stream_gives_the_steps_in_order():
    loader = tiny.loader(Numbered(9))
    assert [rows_in(step) for step in loader.stream(3, 8)] == [rows_in(loader.step(step)) for step in range(3, 8)]
    assert list(loader.stream(5, 5)) == list(loader.stream(6, 5)) == []


def test_a_stream_raises_what_goes_wrong_in_its_thread():
    found = []
    with pytest.raises(ValueError, match="row 2 of epoch 1 is broken"):
        for step in tiny.loader(Numbered(6, broken=(1, 2)), step_rows=3).stream(0, 99):
            found.append(step)
    assert 2 <= len(found) <= 3


def test_a_stream_that_is_left_ends_its_thread():
    before = threading.active_count()
    stream = tiny.loader(Numbered(9)).stream(0, 10_000)
    next(stream)
    stream.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("micro_rows", [1, 3, 16])
def test_evaluation_sees_every_row_once_in_order(world, micro_rows):
    parts = [rows_in(in_order(Numbered(10), micro_rows, 0, rank, world)) for rank in range(world)]
    assert [part == sorted(part) for part in parts] == [True] * world
    assert sorted(row for part in parts for row in part) == [(0, i) for i in range(10)]


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 100])
def test_blocks_do_not_show(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BLOCK", 8)
    found = [Order(lambda epoch: size, 5).locate(sample) for sample in range(3 * size)]
    wanted = [(epoch, int(permute(np.array([row]), size, 5, epoch)[0])) for epoch in range(3) for row in range(size)]
    assert found == wanted
    assert [sorted(row for at, row in found if at == epoch) for epoch in range(3)] == [list(range(size))] * 3


def test_it_can_be_asked_anywhere() -> None:
    sizes = [10, 7, 13]
    whole = Order(lambda epoch: sizes[epoch % 3], 1)
    wanted = [whole.locate(sample) for sample in range(60)]
    assert [Order(lambda epoch: sizes[epoch % 3], 1).locate(sample) for sample in reversed(range(60))] == wanted[::-1]
    assert whole.locate(10**6)[0] == 100_000 - 1 or whole.locate(10**6)[0] > 90_000


def test_files_are_read_by_several_threads_and_rows_stay_in_order():
    seen = []
    rows = tiny.late_rows(12, "pad", seen)
    batches = [*in_order(rows, 4, 0)]
    assert [int((batch.dec.documents > 0).sum()) for batch in batches] == [10, 26, 42]
    assert threading.get_ident() not in {thread for _, thread in seen}
    loader = room.Loader(rows, step_rows=4, micro_rows=2, pad=0)
    plain = [rows.row(*loader.locate(sample))[0].dec.tolist() for sample in range(4)]
    found = [
        row[:n].tolist()
        for batch in loader.step(0)
        for row, n in zip(batch.dec.ids, (batch.dec.documents > 0).sum(1), strict=True)
    ]
    assert found == plain


def test_an_error_of_a_file_is_raised_by_the_stream():
    def broken(rng):
        raise DataError("rows:1: image a.png: broken")

    rows = ExampleRows([[LateExample(3, broken)]], 8, packing="pad")
    with pytest.raises(DataError, match=r"a.png: broken"):
        list(room.Loader(rows, 1, 1, 0).stream(0, 1))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_blocks_of_rows_follow_each_other(world):
    """A step of 8 rows in pairs; the last one has 5, so a rank may have none."""
    rows, pairs = Numbered(21), []
    for step in range(3):
        for rank in range(world):
            options = {"rank": rank, "world": world, "samples": 21, "block": 8 // world}
            pairs += [rows_in([batch]) for batch in tiny.loader(rows, 8, 2, **options).step(step)]
    whole = [rows_in([batch]) for step in range(3) for batch in tiny.loader(rows, 8, 2, samples=21).step(step)]
    assert [pair for pair in pairs if pair] == whole and len(whole) == 11


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_held_out_rows_are_in_the_same_batches_for_any_number_of_ranks(world):
    found = [[rows_in([batch]) for batch in in_order(Numbered(11), 3, 0, rank, world)] for rank in range(world)]
    together = [part[turn] for turn in range(len(found[0])) for part in found]  # each rank has as many batches
    assert [rows for rows in together if rows] == [
        [(0, n) for n in range(at, min(at + 3, 11))] for at in range(0, 11, 3)
    ]
