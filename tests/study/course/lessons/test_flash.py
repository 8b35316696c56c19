"""Every way beside the softmax of numpy, also after each tile."""

import numpy as np
import pytest
import torch

from trivium.model.attention.kernel import Eager
from trivium.study.course.lessons import flash


def softmax(scores, values):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum() @ values


def test_three_passes_are_the_softmax():
    scores, values = flash.row()
    assert flash.three_passes(scores, values).numpy() == pytest.approx(
        softmax(scores.numpy(), values.numpy()), abs=1e-12
    )


@pytest.mark.parametrize("tile", [1, 3, 5, 12])
def test_one_pass_is_right_after_each_tile(tile):
    scores, values = flash.row()
    steps = flash.one_pass(scores, values, tile)
    for number, step in enumerate(steps, start=1):
        seen = scores[: number * tile].numpy()
        assert step["output"] == pytest.approx(softmax(seen, values[: number * tile].numpy()), abs=1e-12)
        assert (step["largest"], step["sum"]) == pytest.approx((seen.max(), np.exp(seen - seen.max()).sum()))


def test_scores_of_a_thousand_do_not_overflow():
    scores, values = flash.row()
    last = flash.one_pass(scores + 1000, values)[-1]["output"]
    assert last == pytest.approx(flash.three_passes(scores, values).tolist())


def test_the_whole_matrix_is_held_by_eager():
    matrix = flash.HEADS * 64 * 64 * 4
    assert flash.peak(Eager(), 64) >= 2 * matrix  # scores, and the weights that are made of them


def test_the_drawing_ends_at_the_output():
    made = flash.drawing({})
    assert made["steps"][-1]["output"] == pytest.approx(made["output"], abs=2e-4)
    assert sum(made["weights"]) == pytest.approx(1, abs=1e-3) and made["largest"][-1] == max(made["scores"])
    assert torch.tensor(made["sum"]).diff().min() >= 0
