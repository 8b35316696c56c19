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
    assert result["loss"] is None and "step 10" in result["diverged"]
