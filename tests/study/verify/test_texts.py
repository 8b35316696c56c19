"""Texts of a certificate come from lines, rows, a data folder, or from here."""

from pathlib import Path

import numpy as np
import pytest

import small
from trivium.base.errors import DataError
from trivium.study.verify.texts import TEXTS, texts_of


def test_texts_of_each_source(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("one\n\n  two \nthree\n")
    assert texts_of(tmp_path / "lines.txt", 2) == ["one", "two"]
    small.rows(tmp_path / "rows.jsonl", [{"text": "first"}, {"text": "second"}])
    assert texts_of(tmp_path / "rows.jsonl", 8) == ["first", "second"]
    assert texts_of(None, 3) == list(TEXTS[:3])
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match=r"empty.txt: expected texts, found none"):
        texts_of(tmp_path / "empty.txt", 8)


def test_held_out_documents_of_a_data_folder(tmp_path: Path) -> None:
    from trivium.corpus.prepare import prepare

    source = tmp_path / "text"
    source.mkdir()
    for number in range(40):
        (source / f"{number}.txt").write_text(
            f"Document {number} says that number {number} is not number {number + 1}."
        )
    prepare([source], tmp_path / "data")
    assert np.all([text.startswith("Document") for text in texts_of(tmp_path / "data", 8)])
