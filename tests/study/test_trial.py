"""A trial is one measured run; it goes on from a checkpoint, and to diverge is a result."""

import json
from pathlib import Path

import pytest

from trivium.base.errors import NumericsError
from trivium.study import trial as room
from trivium.study.trial import measured
from trivium.train.recipe import read_recipe


def test_a_cell_goes_on_from_its_checkpoint(here: Path, tmp_path: Path) -> None:
    recipe = read_recipe(here / "r.toml")
    expected = measured(recipe, tmp_path / "whole")
    measured(recipe.replace(budget_steps=4), tmp_path / "cut")
    again = measured(recipe, tmp_path / "cut")
    first = json.loads((tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()[0])
    assert first["step"] < 5 and abs(again["loss"] - expected["loss"]) < 0.2
    assert again["steps"] == 6


def test_a_run_that_diverges_is_a_result(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(recipe, folder, resume):
        (folder / "metrics.jsonl").write_text('{"step": 1, "loss": NaN, "seconds": 0.1}\n')
        raise NumericsError("step 10: 10 steps in a row were not finite")

    monkeypatch.setattr(room, "run", lost)
    result = measured(read_recipe(here / "r.toml"), tmp_path)
    assert result["loss"] is None and "step 10" in result["unfinished"]


def test_a_run_that_ends_before_its_budget_has_no_loss(here: Path, tmp_path: Path) -> None:
    """Its rate is far too large, so patience ends it; such a run has not had the budget of the others."""
    recipe = read_recipe(here / "r.toml", ["optim.lr=0.5", "patience=1", "eval_every_steps=1", "log_every_steps=4"])
    result = measured(recipe, tmp_path)
    assert result["loss"] is None and result["unfinished"] in {
        f"it stopped at step {step} of 6" for step in range(1, 6)
    }
