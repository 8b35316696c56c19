"""Measuring a tokenizer: sums over documents, and what does not come back is counted."""

from pathlib import Path

from trivium.text.measure import measure
from trivium.text.tokenizer import Tokenizer


def test_bytes_have_one_token_each_and_come_back(tmp_path: Path) -> None:
    Tokenizer.bytes().save(tmp_path / "t")
    (tmp_path / "a.txt").write_text("abc")
    (tmp_path / "b.txt").write_text("猫 <s>")
    assert measure(tmp_path / "t", [tmp_path / "a.txt", tmp_path / "b.txt"]) == (2, 10, 10, 0)
