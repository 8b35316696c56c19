"""Both norms by their formulae in numpy."""

import numpy as np
import pytest

from trivium.study.course.lessons import rmsnorm


def by_formula(kind, x):
    moved = x - x.mean(-1, keepdims=True) if kind == "layer" else x
    eps = {"rms": 1e-6, "layer": 1e-5}[kind]
    return moved / np.sqrt((moved**2).mean(-1, keepdims=True) + eps)


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_the_drawn_vectors_are_those_of_the_formula(kind):
    made = rmsnorm.drawing({})
    inputs = (np.array(rmsnorm.VECTOR) + np.array(made["shifts"])[:, None])[:, None] * np.array(made["scales"])[:, None]
    assert np.array(made["input"]) == pytest.approx(inputs, abs=1e-6)
    assert np.array(made[kind]) == pytest.approx(by_formula(kind, inputs), abs=2e-4)
    assert np.array(made["size"]) == pytest.approx(np.sqrt((inputs**2).mean(-1)), abs=1e-3)


def test_the_numbers_of_the_page():
    numbers, x = rmsnorm.exact(), np.array(rmsnorm.VECTOR)
    moved = np.abs(by_formula("rms", x + 3) - by_formula("rms", x)).max()
    assert numbers["rms_shift"] == pytest.approx(moved, abs=1e-4) and numbers["layer_shift"] == 0
    assert numbers["rms_scale"] == numbers["layer_scale"] == 0
    assert numbers["biases"] == (2 * 32 + 1) * 4096
    assert numbers["apart"] == pytest.approx(
        np.sqrt(2 / np.pi / rmsnorm.WIDTH), rel=0.05
    )  # the mean of |mean| of normals


def test_times_are_measured_by_turns(monkeypatch, tmp_path):
    for name, value in {"ROUNDS": 1, "WIDTH": 16, "LENGTH": 8, "LAYERS": 1}.items():
        monkeypatch.setattr(rmsnorm, name, value)
    found = rmsnorm.measured(tmp_path)
    assert found["ratio"] == pytest.approx(found["rms_ms"] / found["layer_ms"])
    assert found["rms_share"] == pytest.approx(3 * found["rms_ms"] / found["step_ms"])
