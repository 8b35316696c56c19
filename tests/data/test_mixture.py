"""Mixture: exact shares, every row in its turn, and one global order whatever the number of ranks."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tiny
from trivium.base.errors import ConfigError, DataError
from trivium.base.types import IGNORE, Example
from trivium.data.loader import in_order
from trivium.data.mixture import Mixture, shares


class Source:
    """Rows that say where they come from."""

    def __init__(self, name: int, count: int, length: int = 8) -> None:
        self.name, self.count, self.length = name, count, length

    def size(self, epoch: int) -> int:
        return self.count

    def row(self, epoch: int, index: int) -> list[Example]:
        return [Example(dec=np.array([self.name, epoch, index]), targets={"token": np.array([1, 1, IGNORE])})]


def rows(batches) -> list[tuple[int, int, int]]:
    """(source, its epoch, its row) of every row; padding left out."""
    return [
        tuple(map(int, ids[:3])) for b in batches for ids, d in zip(b.dec.ids, b.dec.documents, strict=True) if d[0]
    ]


def order(mixture: Mixture, steps: range, worlds=lambda step: 1, seed: int = 3) -> list[tuple[int, int, int]]:
    """The global order of some steps, put together from all ranks."""
    found: list[tuple[int, int, int]] = []
    for step in steps:
        size = worlds(step)
        parts = [
            rows(tiny.loader(mixture, step_rows=8, seed=seed, rank=rank, world=size).step(step)) for rank in range(size)
        ]
        whole: list = [None] * 8
        for rank, part in enumerate(parts):
            whole[rank::size] = part
        found += whole
    return found


def mixture(seed: int = 3) -> Mixture:
    return Mixture([Source(0, 40), Source(1, 10), Source(2, 30)], [1, 2, 1], seed)


@pytest.mark.parametrize(
    ("weights", "total", "found"),
    [((1, 1), 10, [5, 5]), ((1, 1, 1), 10, [4, 3, 3]), ((0.7, 0.3), 11, [8, 3]), ((5,), 3, [3]), ((2, 1), 1, [1, 0])],
)
def test_shares_are_exact(weights, total, found):
    assert shares(weights, total).tolist() == found
    assert shares([3 * weight for weight in weights], total).tolist() == found


def test_an_epoch_holds_exact_shares_and_sources_go_on_where_they_stopped():
    made = mixture()
    found = order(made, range(40))  # four epochs of 80
    for epoch in range(4):
        assert Counter(source for source, _, _ in found[80 * epoch : 80 * epoch + 80]) == {0: 20, 1: 40, 2: 20}
    for source, size in ((0, 40), (1, 10), (2, 30)):
        mine = Counter((own, row) for name, own, row in found if name == source)
        assert set(mine.values()) == {1}, "no row twice in one epoch of its source"
        whole = len(mine) // size
        assert {(own, row) for own, row in mine if own < whole} == {(o, r) for o in range(whole) for r in range(size)}


def test_without_weights_every_row_stands_once_and_evaluation_sees_it():
    made = Mixture([Source(0, 5), Source(1, 3)], seed=1)
    assert sorted(rows(in_order(made, 3, 0))) == [(0, 0, i) for i in range(5)] + [(1, 0, i) for i in range(3)]


def test_the_order_is_the_same_for_any_number_of_ranks_also_when_it_changes():
    wanted = order(mixture(), range(30))
    for world in (2, 4, 8):
        assert order(mixture(), range(30), lambda step, world=world: world) == wanted
    assert order(mixture(), range(30), lambda step: (1, 8, 2, 4)[step % 4]) == wanted
    assert order(mixture(), range(13, 30)) == wanted[13 * 8 :], "a resumed run sees what an uninterrupted one sees"
    assert order(mixture(4), range(30), seed=4) != wanted


def test_sources_are_spread_over_the_epoch():
    found = [source for source, _, _ in order(mixture(), range(10))]
    assert all(2 <= Counter(found[at : at + 20])[1] <= 18 for at in range(0, 80, 20))


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(DataError, match="expected 2 numbers above 0"):
        Mixture([Source(0, 5), Source(1, 5)], [1])
    with pytest.raises(DataError, match="rows of one length"):
        Mixture([Source(0, 5), Source(1, 5, 16)])
    with pytest.raises(DataError, match="1e-06 for source 2 is less than one row in 10"):
        Mixture([Source(0, 5), Source(1, 5)], [1, 1e-6])


def test_a_recipe_may_name_several_folders(tmp_path: Path):
    from trivium.task.feed import data_identity, open_rows

    sizes = {"a": 40, "b": 8}
    folders = [
        tiny.write_corpus(tmp_path / name, tiny.documents([15] * count), tiny.documents([9] * 2))
        for name, count in sizes.items()
    ]

    class Tokens:
        identity, vocabulary = "none", tiny.VOCABULARY

    model = SimpleNamespace(tokenizer=Tokens(), config=tiny.model().config)
    recipe = tiny.recipe(data={"path": [str(folder) for folder in folders], "weights": [1, 3]})
    made, valid = open_rows(recipe, model, 17)
    assert isinstance(made, Mixture) and made.counts.tolist() == [12, 36]
    assert valid is not None and valid[0].size(0) == 4 and valid[1] == 2 * 2 * 9 * 3
    other = tiny.recipe(data={"path": [str(folder) for folder in folders], "weights": [1, 2]})
    assert data_identity(recipe) != data_identity(other)
    Tokens.identity = "another"
    with pytest.raises(DataError, match=rf"{folders[0]}: encoded with another tokenizer"):
        open_rows(recipe, model, 17)
    with pytest.raises(
        ConfigError, match=r"data.*weights: expected 2 numbers above 0, one for each path, found \[1.0\]"
    ):
        tiny.recipe(data={"path": ["a", "b"], "weights": [1]})


def test_each_source_has_a_shuffle_of_its_own():
    made = Mixture([Source(0, 40), Source(1, 40)], seed=3)
    first, second = ([made.place(0, 40 * source + index)[2] for index in range(40)] for source in (0, 1))
    assert sorted(first) == sorted(second) == list(range(40)) and first != second
