"""Rows of pictures: their keys, the shapes in which people write them, where their files may lie, what is broken."""

import base64
import json
from collections import Counter

import numpy as np
import pytest

import small
from shapes import pictures, reader, square
from trivium.base.errors import DataError
from trivium.base.seeds import late
from trivium.base.types import IGNORE
from trivium.objective.caption import CaptionObjective
from trivium.rows.kinds.picture import LabelledPicture, PictureText, parts_of
from trivium.rows.notes import Notes
from trivium.rows.read import RowReading, read

Image = pytest.importorskip("PIL.Image")


def records(path, kind=PictureText, notes=None, **reading):
    return [record for _, record in read(lambda one: one, [path], RowReading(**reading), kind=kind, notes=notes)]


def turn(*parts):
    return {"role": "user", "content": list(parts)}


def address(folder, name):
    return "data:image/png;base64," + base64.b64encode((folder / name).read_bytes()).decode()


def test_every_shape_of_a_row_is_one_record(tmp_path):
    pictures(tmp_path, 1)
    part = {"type": "image_url", "image_url": {"url": "0.png"}}
    said = {"role": "assistant", "content": "red"}
    asked = {"type": "text", "text": "which?"}
    rows = [
        {"image": "0.png", "question": "which?", "answer": "red"},
        {"file_name": "0.png", "prompt": "which?", "caption": "red"},
        {"image": {"path": "0.png", "bytes": None}, "question": "which?", "text": ["red", "crimson"]},
        {"image": address(tmp_path, "0.png"), "question": "which?", "text": "red"},
        {"messages": [turn(part, asked), said]},
        {"messages": [turn({"type": "input_image", "image_url": address(tmp_path, "0.png")}, asked), said]},
        {"messages": [turn({"type": "image"}, asked), said], "images": ["0.png"]},
        {"messages": [turn({"type": "image", "image": "0.png"}, {"type": "input_text", "text": "which?"}), said]},
    ]
    for one in records(small.rows(tmp_path / "rows.jsonl", rows)):
        assert (one.question, one.texts[0]) == ("which?", "red")
        assert (one.image.colours() == square("red", 0)).all() and one.image.size() == (16, 16)


def test_a_folder_of_pictures_has_their_texts_beside_them(tmp_path):
    pictures(tmp_path / "a", 2)
    (tmp_path / "a" / "0.txt").write_text("Zeile eins\nzwei\n", encoding="utf-8")
    (tmp_path / "a" / "alone.txt").write_text("x", encoding="utf-8")
    notes = Notes(words=False)
    first, second = records(tmp_path, notes=notes)
    assert first.texts == ["Zeile eins\nzwei"] and second.texts == []
    assert first.image.name == "a/0.png" and first.image.where == str(tmp_path / "a" / "0.png")
    assert any("text without a picture of its name, not used" in line for line in notes.lines())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="expected pictures"):
        records(tmp_path / "empty")


def test_no_link_of_a_folder_leads_out_of_it(tmp_path):
    pictures(tmp_path / "in", 1)
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "in" / "0.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DataError, match="leads out of it"):
        records(tmp_path / "in")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"image": "../out.png", "text": "a"}, "image: expected a file in .* leads out of it"),
        ({"image": "https://example.org/a.png", "text": "a"}, "image: expected a path, found the address"),
        ({"image": "missing.png", "text": "a"}, "image: expected a file, found none at"),
        ({"image": "rows.jsonl", "text": "a"}, "rows.jsonl: expected a picture .*, found another file"),
        ({"image": 3, "text": "a"}, "image: expected a path, found 3"),
        ({"image": "data:image/png;base64,%", "text": "a"}, "image: expected base64"),
        ({"text": "a"}, "'image' is missing"),
        ({"image": "0.png", "text": ""}, "text: expected some text"),
        ({"image": "0.png"}, "text: expected one to learn, found none"),
        ({"messages": [turn({"type": "text", "text": "a"})]}, "expected one picture, found 0"),
        ({"messages": [turn({"type": "audio"})]}, "expected a part of type text or image_url"),
        ({"messages": [{"role": "system", "content": "a"}]}, "found system"),
        ({"messages": 3}, "messages: expected a list of turns"),
    ],
)
def test_a_wrong_row_is_one_line(row, told, tmp_path):
    home = tmp_path / "home"
    pictures(home, 1)
    Image.new("RGB", (3, 3)).save(tmp_path / "out.png")
    path, layout, counts = small.rows(home / "rows.jsonl", [row]), reader().layout(), Counter()

    def make(record):
        return record.examples(layout, None, CaptionObjective(), counts)

    with pytest.raises(DataError, match=told) as raised:
        list(read(make, [path], kind=PictureText))
    assert str(raised.value).startswith(f"{path}:1: ") and str(raised.value).count(f"{path}:1") == 1
    assert "\n" not in str(raised.value)
    assert not list(read(make, [path], RowReading(skip_bad=True), counts, PictureText)) and counts


def test_keys_that_mean_something_and_are_not_used_are_told(tmp_path):
    pictures(tmp_path, 1)
    path = small.rows(tmp_path / "rows.jsonl", [{"image": "0.png", "text": "a", "audio": "a.wav", "n": 1}])
    notes = Notes(words=False)
    records(path, notes=notes)
    assert notes.flags() == [f"{path}: the key 'audio' of 1 rows is not used"]
    assert any("not used: n (1 rows)" in line for line in notes.lines())


def test_an_example_trains_the_text_alone(tmp_path):
    pictures(tmp_path, 1)
    row = {"image": "0.png", "question": "which?", "text": ["red", "crimson"]}
    (record,) = records(small.rows(tmp_path / "rows.jsonl", [row]))
    model, counts = reader(), Counter()
    examples = record.examples(model.layout(), None, CaptionObjective(), counts)
    assert len(examples) == 2 and not counts
    made = examples[0].made(late(0))
    tokenizer = model.tokenizer
    begin = [0, *tokenizer.encode("which?\n")]  # a decoder of ours begins with pad
    right = [*tokenizer.encode("red"), tokenizer.vocabulary.eos]
    assert made.dec.tolist() == begin + right[:-1]
    assert made.targets["token"].tolist() == [IGNORE] * (len(begin) - 1) + right
    assert made.enc.shape == (5, 192) and made.places.shape == (5, 2)
    assert np.array_equal(made.enc, model.reader(square("red", 0)).values)
    assert examples[0].size == len(made.dec) == 11


def test_the_places_of_a_picture_may_be_the_decoders_own(tmp_path):
    pictures(tmp_path, 1)
    row = {"image": "0.png", "question": "which?", "text": "red"}
    (record,) = records(small.rows(tmp_path / "rows.jsonl", [row]))
    model = reader(cross=False)
    (late_one,) = record.examples(model.layout(), None, CaptionObjective(), Counter())
    made, vocabulary = late_one.made(late(0)), model.tokenizer.vocabulary
    begin = [100] * 5 + [vocabulary.bos, *model.tokenizer.encode("which?\n")]
    assert made.dec[: len(begin)].tolist() == begin and made.prefix == len(begin)
    assert (made.targets["token"][: len(begin) - 1] == IGNORE).all()
    assert (made.targets["token"][len(begin) - 1 :] != IGNORE).all()


def test_a_text_is_left_out_and_counted_where_it_does_not_fit(tmp_path):
    pictures(tmp_path, 1)
    (record,) = records(small.rows(tmp_path / "rows.jsonl", [{"image": "0.png", "text": ["a" * 80, "b"]}]))
    counts = Counter()
    assert len(record.examples(reader().layout(), None, CaptionObjective(), counts)) == 1
    assert counts == {"text and its question longer than 64 tokens": 1}


def test_a_picture_of_another_ratio_is_counted(tmp_path):
    Image.new("RGB", (40, 16)).save(tmp_path / "wide.png")
    (record,) = records(small.rows(tmp_path / "rows.jsonl", [{"image": "wide.png", "text": "a"}]))
    counts = Counter()
    record.examples(reader().layout(), None, CaptionObjective(), counts)
    assert [reason for reason in counts if "another ratio" in reason]


def test_labels_are_those_of_texts(tmp_path):
    pictures(tmp_path, 1)
    rows = [{"image": "0.png", "label": 3}, {"image": "0.png", "labels": ["a", "b"]}]
    first, second = records(small.rows(tmp_path / "rows.jsonl", rows), LabelledPicture)
    assert first.labels == ("3",) and second.target(["b", "a", "c"], True).tolist() == [1, 1, 0]


def test_parts_of_a_message():
    assert parts_of("text", "content") == ([], "text")
    assert parts_of([{"type": "image"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "c", [7]) == (
        [7],
        "ab",
    )


def test_rows_of_messages_are_told_as_their_pictures(tmp_path):
    pictures(tmp_path, 1)
    row = {"messages": [turn({"type": "image"}), {"role": "assistant", "content": "red"}], "images": ["0.png"], "k": 1}
    notes = Notes(words=False)
    records(small.rows(tmp_path / "rows.jsonl", [row]), notes=notes)
    assert notes.lines() == [f"{tmp_path / 'rows.jsonl'}: not used: k (1 rows)"]
    assert json.dumps(row)  # the row itself is not changed
