import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.base import seeds
from trivium.base.seeds import generator, late, mix, permute


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 4097])
def test_a_shuffle_is_a_permutation(size):
    assert sorted(permute(np.arange(size), size, seed=3, epoch=1).tolist()) == list(range(size))


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 300), st.integers(0, 2**32 - 1), st.integers(0, 100))
def test_any_shuffle_is_a_permutation(size, seed, epoch):
    assert len(set(permute(np.arange(size), size, seed, epoch).tolist())) == size


def test_an_index_goes_to_the_same_place_alone_and_among_others():
    everything = permute(np.arange(1000), 1000, seed=1, epoch=2)
    assert [int(permute(np.array([i]), 1000, 1, 2)[0]) for i in (0, 5, 999)] == everything[[0, 5, 999]].tolist()


def test_the_shuffle_changes_with_seed_and_epoch():
    orders = {tuple(permute(np.arange(50), 50, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_a_shuffle_leaves_few_indices_where_they_were():
    fixed = sum(int((permute(np.arange(500), 500, seed, 0) == np.arange(500)).sum()) for seed in range(20))
    assert fixed < 60  # one in each shuffle is what chance gives


def test_draws_depend_on_the_address_alone():
    generator(9, 9).random(100)
    assert generator(1, 2, 3).random() == generator(1, 2, 3).random() != generator(1, 2, 4).random()
    assert mix(1, 2) == mix(1, 2) != mix(2, 1)
    assert 0 <= mix(0) < 2**63


def test_a_late_generator_is_made_once_when_something_is_drawn_and_draws_the_same(monkeypatch):
    made = []
    monkeypatch.setattr(seeds, "generator", lambda *address: made.append(address) or generator(*address))
    rng, same = late(1, 2, 3), generator(1, 2, 3)
    assert not made
    assert [rng.random(), rng.integers(9), *rng.permutation(5)] == [
        same.random(),
        same.integers(9),
        *same.permutation(5),
    ]
    assert made == [(1, 2, 3)]
