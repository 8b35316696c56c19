"""A page is one file without scripts, and text in it stays text."""

import re
from pathlib import Path

import pytest

from trivium.base.errors import TriviumError
from trivium.lab import page


def test_text_is_escaped_and_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"\x89PNG")
    parts = [page.heading("<h>"), page.paragraph("a < b"), page.table(["x"], [["<script>"]])]
    page.write(tmp_path / "a.html", "T & U", [*parts, page.picture(tmp_path / "p.png", "c")])
    text = (tmp_path / "a.html").read_text()
    assert "<script" not in text and "&lt;script&gt;" in text and "T &amp; U" in text
    assert "http" not in text and "data:image/png;base64,iVBORw==" in text


def test_a_page_fits_narrow_screens_dark_rooms_and_paper(tmp_path: Path) -> None:
    page.write(tmp_path / "a.html", "T", [page.table(["x"], [["y"]]), page.facts([("a", "b")])])
    text = (tmp_path / "a.html").read_text()
    assert '<meta name="viewport" content="width=device-width' in text
    assert (
        text.count('<div class="scroll"><table') == text.count("<table") == 2 and ".scroll { overflow-x: auto" in text
    )
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    named, defined = ({*re.findall(pattern, text)} for pattern in (r"var\((--[\w-]+)\)", r"(--[\w-]+):"))
    assert named <= defined


def test_a_page_is_replaced_with_a_line_and_nothing_else_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.html"
    page.write(file, "One", [])
    assert not capsys.readouterr().out
    page.write(file, "Two", [])
    assert capsys.readouterr().out == f"{file} is replaced\n" and "Two" in file.read_text()
    file.write_text("my notes")
    with pytest.raises(TriviumError, match="exists and is something else"):
        page.write(file, "Three", [])
    assert file.read_text() == "my notes"
