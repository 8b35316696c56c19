"""A page is one file without scripts, and text in it stays text."""

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
