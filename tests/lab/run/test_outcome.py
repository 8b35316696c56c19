"""A run ends with what a person wants to see: how long, how fast, how good, and what to do next."""

import io
import json
import sys
from pathlib import Path

import pytest

from trivium.lab.picture import Curve
from trivium.lab.run import outcome
from trivium.train.recipe import Recipe

CURVE = Curve([10, 20], [4.0, 2.0], [10_000, 20_480], [0, 20], [6.25, 2.5], seconds=40.0)


def recipe(objective: str, **data: object) -> Recipe:
    made = {"data": {"path": "my data", **data}, "objective": objective, "init": "m", "budget_steps": 1}
    return Recipe.model_validate(made)


def test_a_run_is_told_with_its_speed_and_its_losses() -> None:
    assert list(outcome.lines(CURVE)) == [
        "20 steps, 20,480 tokens in 40s, 512 tokens/s",
        "training loss 4.000 at step 10, 3.000 at the end",  # the end is an average with its neighbour
        "held-out loss 6.250 at the start, 2.500 at the end",
        "loss \u2588\u2581",
    ]


def test_what_is_not_known_is_not_told() -> None:
    old = Curve([10, 20], [4.0, 2.0], [10, 20], [10], [3.0])
    assert next(outcome.lines(old)) == "20 steps, 20 tokens"
    assert list(outcome.lines(old))[2] == "held-out loss 3.000 at the end"
    assert "no held-out loss: there are no held-out rows" in outcome.lines(Curve([1], [2.0], [3]))


def test_a_sparkline_has_the_heights_of_the_values() -> None:
    assert outcome.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == outcome.BLOCKS
    assert outcome.sparkline([3.0, 3.0]) == outcome.BLOCKS[0] * 2
    long = outcome.sparkline([*range(600)])
    assert len(long) == outcome.WIDE and list(long) == sorted(long) and {*long} == {*outcome.BLOCKS}


def test_a_console_without_blocks_gets_no_sparkline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert len(list(outcome.lines(CURVE))) == 3


@pytest.mark.parametrize(
    ("objective", "first"),
    [
        ("causal", 'trivium generate run/model --prompt "Once upon a time"'),
        ("masked", 'trivium fill run/model "A text with a [MASK]."'),
        ("instruct", "trivium chat run/model"),
        ("label", "trivium predict run/model --input FILE"),
    ],
)
def test_the_next_commands_fit_the_model(objective: str, first: str) -> None:
    found = [command for command, _ in outcome.following(Path("run/model"), recipe(objective))]
    assert found[0] == first and found[1] == "trivium evaluate run/model --data 'my data'"
    assert ("trivium finetune chat --model run/model --data FILE" in found) == (objective in ("causal", "masked"))


def test_held_out_rows_are_what_is_evaluated() -> None:
    commands = [command for command, _ in outcome.following(Path("m"), recipe("instruct", valid=["v.jsonl"]))]
    assert commands[1] == "trivium evaluate m --data v.jsonl"


def test_the_end_of_a_run_draws_its_curve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"step": 0, "valid_loss": 6.0}, {"step": 1, "loss": 5.0, "tokens": 64, "all_seconds": 2.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome.tell(tmp_path, recipe("causal"))
    said = capsys.readouterr().out
    assert "1 steps, 64 tokens in 2s, 32.0 tokens/s" in said and f"the curve is {tmp_path / 'curve.png'}" in said
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
