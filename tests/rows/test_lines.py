import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from trivium.base.errors import DataError, TriviumError
from trivium.corpus.preparation import Preparation
from trivium.corpus.prepare import prepare
from trivium.image.lines.line import Drawing
from trivium.rows.kinds.picture import PictureText
from trivium.rows.lines import drawn, texts, write_lines
from trivium.rows.notes import Notes
from trivium.rows.read import RowReading, read

WORDS = 'plain "words" and \\ signs / stand in text number {} with {} others behind them, é and ß'


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "text"
    made.mkdir()
    for number in range(30):
        (made / f"{number}.txt").write_text(WORDS.format(number, number * 31), encoding="utf-8")
    return made


def test_the_folder_holds_the_rows_that_training_draws(tmp_path, folder):
    drawing = Drawing(text=(str(folder),))
    made = write_lines(tmp_path / "out", "lines:hard:train:12", drawing)
    rows = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    direct = [*drawn("lines:hard:train:12", drawing)]
    assert len(made) == len(rows) == len(direct) == 12 and rows[3]["image"] == "03.png"
    for row, (where, other) in zip(rows, direct, strict=True):
        assert row["text"] == other["text"] and where.startswith("lines:hard:train:12: line ")
        picture = np.asarray(Image.open(tmp_path / "out" / row["image"]))
        assert np.array_equal(picture, other["image"].colours()) and picture.shape[0] == 32
    assert any('"' in row["text"] or "\\" in row["text"] for row in rows)


def test_a_name_stands_where_a_file_of_rows_stands(folder):
    reading, notes = RowReading(lines=Drawing(text=(str(folder),))), Notes()
    found = [*read(lambda record: record, ["lines:worn:train:7"], reading, kind=PictureText, notes=notes)]
    direct = [row for _, row in drawn("lines:worn:train:7", reading.lines)]
    assert [record.texts for _, record in found] == [[row["text"]] for row in direct]
    assert all(
        np.array_equal(record.image.colours(), row["image"].colours())
        for (_, record), row in zip(found, direct, strict=True)
    )
    assert not found[0][1].image.where, "no file of it can be broken, so it is drawn once, when it is trained on"
    with pytest.raises(DataError, match="lines:worse: expected lines:LEVEL"):
        [*read(lambda record: record, ["lines:worse"], reading, kind=PictureText)]


def test_a_data_folder_gives_its_documents(tmp_path, folder):
    data = tmp_path / "data"
    prepare([folder], data, Preparation(tokenizer="bytes", filter="none", near=None))
    found = texts((str(data),))
    assert sorted(found) == sorted(WORDS.format(number, number * 31) for number in range(30))


def test_what_is_not_drawn_is_told(folder):
    (folder / "zh.txt").write_text("你好世界 and words that can be drawn in a line", encoding="utf-8")
    notes = Counter()
    drawing = Drawing(text=(str(folder), str(folder / "zh.txt")))
    rows = [*drawn("lines:clean:train:20", drawing, notes)]
    assert len(rows) == 20 and any("no face has 4 signs" in note for note in notes)


def test_a_full_folder_or_a_missing_text_changes_nothing(tmp_path, folder):
    with pytest.raises(DataError, match="no such file or folder"):
        write_lines(tmp_path / "out", "lines:clean", Drawing(text=(str(tmp_path / "nowhere"),)))
    (tmp_path / "file").write_text("x")
    with pytest.raises(TriviumError, match="cannot write"):
        write_lines(tmp_path / "file" / "out", "lines:clean:train:2", Drawing(text=(str(folder),)))
    assert not (tmp_path / "out").exists() and sorted(path.name for path in tmp_path.iterdir()) == ["file", "text"]
