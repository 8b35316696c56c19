"""Short trainings: the text of every Python, and a model that learns it."""

import math

import pytest

from trivium.study.course import short

SMALL = {"model": {"depth": 1, "hidden_size": 32}, "batch_tokens": 512, "budget_steps": 12, "log_every_steps": 1}


@pytest.mark.slow
def test_a_short_training_learns_and_says_what_it_measured(tmp_path):
    made = short.train(tmp_path, "one", {**SMALL, "schedule": {"warmup_steps": 1}})
    assert made["steps"] == [*range(1, 13)] and made["losses"][-1] < made["losses"][0]
    assert made["loss"] < math.log(short.VOCAB_SIZE) and made["model"].is_dir()
    assert short.data(tmp_path) == tmp_path / "data" and short.outcome(tmp_path / "one") == made
