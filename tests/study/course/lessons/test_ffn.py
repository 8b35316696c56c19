"""Functions and units by their formulae, and sizes by counting."""

import numpy as np
import pytest

from trivium.model.layer.ffn import GLU
from trivium.study.course.lessons import ffn


def silu(x):
    return x / (1 + np.exp(-x))


def test_sizes_and_the_lowest_value_of_silu():
    numbers = ffn.exact()
    assert numbers["mlp_weights"] == 2 * 4096 * 16384
    assert numbers["glu_weights"] == 3 * 4096 * numbers["glu_width"] and numbers["glu_width"] % 64 == 0
    x = np.linspace(-2, 0, 200_001)
    assert (numbers["silu_low"], numbers["silu_low_at"]) == pytest.approx(
        (silu(x).min(), x[silu(x).argmin()]), abs=1e-3
    )
    assert all(abs(ffn.weights(kind, ffn.INPUTS) - 2048) <= 16 for kind in ffn.KINDS.values())


def test_a_drawn_unit_is_the_gate_times_the_value():
    made = ffn.drawing({f"curve_{kind}": [] for kind in ffn.KINDS})
    x = np.array(made["x"])
    assert np.array(made["gated"]) == pytest.approx(silu(x)[None] * x[::-1, None], abs=2e-4)
    assert np.array(made["plain"]) == pytest.approx(np.maximum(x, 0)[None].repeat(len(x), 0), abs=1e-6)


def test_a_gate_learns_the_product(monkeypatch):
    monkeypatch.setattr(ffn, "STEPS", 150)
    assert ffn.fit(GLU(size=43), 0.01, 0) < 0.5 < 0.9 < ffn.fit(GLU(size=43), 1e-9, 0)


def test_each_kind_is_taken_at_its_own_best_rate(monkeypatch, tmp_path):
    errors = {1e-2: 0.5, 3e-2: 0.2, 1e-1: 0.4, 3e-1: 0.9}
    monkeypatch.setattr(ffn, "fit", lambda kind, rate, seed: errors[rate] + seed / 10)
    found = ffn.measured(tmp_path)
    assert found["rate_relu"] == 3e-2 and found["curve_relu"] == [*errors.values()]
    assert (found["error_relu"], found["spread_relu"]) == pytest.approx((0.3, 0.2))
