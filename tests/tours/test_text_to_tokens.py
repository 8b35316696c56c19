"""The first tour runs, and each step prints what it is there for."""

import runpy
from pathlib import Path

import pytest

TOUR = Path(__file__).parents[2] / "tours" / "1_text_to_tokens.py"


def test_each_step_shows_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(TOUR), run_name="__main__")
    said = capsys.readouterr().out
    steps = said.split("\n\n")
    heads = [step for step in said.splitlines() if step[:2].rstrip(".").isdigit() and ". " in step[:3]]
    assert [head[0] for head in heads] == list("123456789") and steps
    assert "file read as utf-16" in said and "doesn’t move" in said and "â€™" not in said.split("2. Clean")[1]
    assert "1 x front matter taken away" in said and said.count("Share this page") == 2
    assert "near duplicate of edited.txt" in said and "exact duplicate of copy.txt" in said
    assert "web    our page" in said and "light  noise     mostly no words" in said
    rows = [line.split() for line in said.split("   target\n")[1].splitlines() if line.startswith("   ")]
    assert rows[0][0] == "'<s>'" and rows[0][2:4] == ["0", "1"]
    starts = [row for row in rows if row[0] == "'<s>'"]
    assert len(starts) >= 2 and all(row[2] == "0" for row in starts), "positions begin anew in each document"
