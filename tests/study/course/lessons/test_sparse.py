"""Layers by powers of matrices, shares by counting."""

import math

import numpy as np
import pytest
import torch

from trivium.study.course.lessons import sparse


@pytest.mark.parametrize("name", sorted(sparse.DRAWN))
def test_layers_are_the_first_power_that_connects(name):
    mask = sparse.seen(sparse.DRAWN[name], sparse.SMALL).numpy()
    first = np.where(mask, 1, 0)
    power = mask | np.eye(len(mask), dtype=bool)
    step = power.astype(int)
    for count in range(2, len(mask) + 1):
        power = (power.astype(int) @ step) > 0
        first[(first == 0) & power] = count
    assert (sparse.layers(torch.from_numpy(mask)).numpy() == first).all()


def test_the_numbers_of_the_page(monkeypatch):
    monkeypatch.setattr(sparse, "LENGTH", 512)
    numbers = sparse.exact()
    assert numbers["causal_pairs"] == pytest.approx(513 / 1024) and numbers["causal_blocks"] == 10 / 16
    assert numbers["window_pairs"] == pytest.approx(sum(min(at + 1, 256) for at in range(512)) / 512**2)
    assert numbers["block_pairs"] == pytest.approx(257 / 1024)
    assert numbers["window_layers"] == math.ceil(23 / 3) and numbers["dilated_layers"] == numbers["block_layers"] == 0


def test_times_are_shares_of_the_causal_one(monkeypatch, tmp_path):
    monkeypatch.setattr(sparse, "LENGTH", 256)
    monkeypatch.setattr(sparse, "ROUNDS", 1)
    found = sparse.measured(tmp_path)
    assert found["causal_time"] == 1 and {f"{name}_time" for name in sparse.PATTERNS} < {*found}
