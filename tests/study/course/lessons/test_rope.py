"""Scores by complex numbers: a rotation is a product with exp(i m theta), as in the paper."""

import math

import numpy as np
import pytest
import torch

from trivium.study.course.lessons import rope


def complex_scores(q, k, at):
    """q and k as complex pairs (i, i + E/2), turned by exp(1j * m * theta)."""
    half = rope.WIDTH // 2
    theta = 10000.0 ** (-np.arange(half) / half)
    q, k = (x.double().numpy()[:half] + 1j * x.double().numpy()[half:] for x in (q, k))
    turned = np.exp(1j * np.outer(at.numpy(), theta))
    return ((q * turned) @ np.conj(k * turned).T).real / math.sqrt(rope.WIDTH)


def test_rotary_scores_are_those_of_complex_numbers():
    (q, k), here = rope.content(), torch.arange(30)
    assert rope.rotary(q, k, here).numpy() == pytest.approx(complex_scores(q, k, here), abs=1e-4)


def test_moving_changes_added_scores_and_no_rotary_ones():
    numbers = rope.exact()
    assert rope.change(rope.rotary) < 1e-4 < numbers["added_change"]
    assert numbers["shortest"] == pytest.approx(2 * math.pi)
    assert numbers["longest"] == pytest.approx(2 * math.pi * 10000 ** (31 / 32), rel=1e-5)
    assert numbers["table"] == 2048 * 768


def test_the_matrices_have_constant_diagonals_or_not():
    made = rope.drawing({})
    rotary, added = np.array(made["rotary"]), np.array(made["added"])
    assert np.abs(rotary[1:, 1:] - rotary[:-1, :-1]).max() < 2e-3 < np.abs(added[1:, 1:] - added[:-1, :-1]).max()
    assert made["curve"][0] == pytest.approx(math.sqrt(rope.WIDTH))  # both hands agree at distance 0
