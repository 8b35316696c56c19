"""Texts are cut to what a model reads beside an answer."""

from pathlib import Path

import pytest

import shapes
import small
from trivium import api
from trivium.base.errors import DataError, ModelError
from trivium.study.verify.subject import READ, Subject


def test_long_texts_are_cut_and_short_ones_stay(tmp_path: Path) -> None:
    model = small.model("llama", context=16)
    made = Subject(tmp_path, model, ["word " * 99, "a"], new_tokens=99)
    assert made.new_tokens == 8 and all(1 < len(ids) + made.new_tokens <= 16 for ids in made.read)
    assert made.texts[1] == "a" and "word word ".startswith(made.texts[0])
    wide = Subject(tmp_path, small.model("llama", context=1024), ["word " * 99])
    assert len(wide.read[0]) <= READ and wide.new_tokens == 32
    with pytest.raises(DataError, match="too few for a text"):
        Subject(tmp_path, small.model("bert", context=2), ["word"])


def test_a_model_of_pictures_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = shapes.reader().save(tmp_path / "reader")
    with pytest.raises(ModelError, match="reader: reads pictures; `trivium verify` compares what models read of texts"):
        Subject(folder, api.load(folder), ["a"])
