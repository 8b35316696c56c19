"""Scores and means of the kept run by their definitions; the gradient in chunks against torch."""

import json
import math

import pytest
import torch

from trivium.study.course import course
from trivium.study.course.lessons import loss


@pytest.fixture(scope="module")
def kept():
    return json.loads((course.home() / "numbers" / "loss.json").read_text())["numbers"]


def test_each_row_of_scores_is_a_distribution_and_its_target_costs_the_loss(kept):
    scores = torch.tensor(kept["scores"], dtype=torch.float64)
    assert scores.shape == (len(loss.ASKED) - 1, len(loss.LETTERS))
    assert scores.exp().sum(1).numpy() == pytest.approx(1.0, abs=0.02)  # kept with three decimals
    costs = [-float(row[loss.LETTERS.index(letter)]) for row, letter in zip(scores, loss.ASKED[1:], strict=True)]
    assert sum(costs) / len(costs) == pytest.approx(kept["loss_text"], abs=1e-3)
    assert kept["loss_start"] == pytest.approx(math.log(28), abs=0.1) and kept["loss_end"] < 1


def test_the_mean_of_a_step_is_that_of_its_targets(kept):
    expected = (40 * kept["mean_long"] + 4 * kept["mean_brief"]) / 44
    assert kept["mean_whole"] == pytest.approx(expected, rel=1e-5) == kept["mean_parts"]
    assert kept["mean_of_means"] == pytest.approx((kept["mean_long"] + kept["mean_brief"]) / 2)
    assert kept["mean_of_means"] > 1.5 * kept["mean_whole"]


def test_chunks_give_the_gradient_of_torch_on_the_whole_matrix():
    given = loss.batch((loss.TEXT[:41], 0), (loss.ASKED, 20))
    assert given.count() == 40 + len(loss.ASKED) - 1 - 20
    assert loss.difference(loss.model().transformer, given) < 1e-5


def test_the_bytes_of_scores():
    found = loss.exact()
    assert found["whole_mb"] == 8 * 1024 * 32_000 * 4 / 1e6 and found["chunk_mb"] == found["whole_mb"] / 8
    assert found["even_32000"] == pytest.approx(10.373, abs=1e-3)
