"""The tour of attention runs as it is, and its four programs agree: it says so itself, by failing if they do not."""

import runpy
from pathlib import Path

import pytest

TOUR = Path(__file__).parents[2] / "tours" / "3_attention.py"


def test_every_step_prints_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(TOUR), run_name="__main__")
    said = capsys.readouterr().out.splitlines()
    rows = [line[35:].split("   holds")[0].split() for line in said if "holds" in line]
    assert len(rows) == 6 and len(rows[0]) == 4 and all(row == rows[0] for row in rows)
