"""The formula beside the kernel, and what is read off a matrix."""

import pytest
import torch

from trivium.study.course.lessons import attention


def test_the_formula_is_the_kernel():
    assert attention.apart() < 1e-12
    numbers = attention.exact()
    assert (numbers["pairs"], numbers["allowed"], numbers["long_pairs"]) == (24 * 24, 24 * 25 // 2, 8192 * 8192)


def test_the_favourite_distance_is_that_with_most_weight():
    weight = torch.zeros(24, 24)
    for query in range(24):
        weight[query, max(0, query - 5)] = 0.75
        weight[query, query] = 0.25
    assert attention.favourite(weight) == (pytest.approx(0.75), 5)


def test_a_matrix_is_kept_as_text_and_drawn_again():
    weight = torch.rand(24, 24).tril()
    numbers = {
        "row": [*range(24)],
        "maps_before": [attention.written(weight)],
        "maps_after": [attention.written(weight)],
    }
    made = attention.drawing(numbers)["after"][0]
    assert all(made[query][key] is None for query in range(24) for key in range(query + 1, 24))
    assert torch.tensor([[value or 0 for value in row] for row in made]) == pytest.approx(weight, abs=1e-4)


def test_training_makes_the_weights_sparse(monkeypatch, tmp_path):
    monkeypatch.setattr(attention, "STEPS", 30)
    found = attention.measured(tmp_path)
    assert found["loss_after"] < found["loss_before"] and found["least_after"] < found["least_before"]
    assert sum(map(float, found["maps_after"][3][20].split())) == pytest.approx(1, abs=1e-2)
