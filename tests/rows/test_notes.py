"""What is not used of a file is told once, with its count."""

import pytest

import small
from trivium.rows.kinds.group import TextGroup
from trivium.rows.kinds.text import LabelledText
from trivium.rows.notes import Notes
from trivium.rows.read import RowReading, read, read_conversations
from trivium.rows.record import MEANINGFUL, TAIL, Record

ASKED = {"question": "q", "answer": "a"}


def noted(path, made, words=True, **options):
    notes, file = Notes(words), small.rows(path / "r.jsonl", made)
    list(read_conversations([file], RowReading(**options), notes=notes))
    return notes


def test_an_unknown_key_is_named_once_and_a_known_one_is_a_flag(tmp_path):
    rows = [{**ASKED, "id": 1, "level": "x"}, {**ASKED, "id": 2, "level": None, "images": ["p.png"]}]
    notes = noted(tmp_path, rows)
    assert notes.lines() == [f"{tmp_path}/r.jsonl: not used: id (2 rows), level (1 rows)"]
    assert notes.flags() == [f"{tmp_path}/r.jsonl: the key 'images' of 1 rows is not used"]
    assert notes.formats() == [f"{tmp_path}/r.jsonl: 2 rows, read as question"]
    turns = [{"role": "user", "content": "q", "name": "Ann"}, {"role": "assistant", "content": "a", "weight": 0.5}]
    notes = noted(tmp_path, [{"messages": turns}])
    assert "messages[].name (1 rows)" in notes.lines()[0] and "messages[].weight" in notes.flags()[0]


@pytest.mark.parametrize("key", sorted(MEANINGFUL))
@pytest.mark.parametrize("kind", sorted(Record.kinds))
def test_no_key_that_means_something_vanishes(kind, key):
    """In every kind: it is a field that is used, or it is a flag."""
    record = Record.kinds[kind]
    row = {**dict.fromkeys(record.required(), "x"), key: "x"}
    for words in {record.chats(), False}:
        left = dict(record.left(row, words))
        used = key in record.keys(row).values() and (words or record.keys([key]).keys().isdisjoint(record.before))
        assert used != (left.get(key) is True)


def test_before_a_head_nothing_stands_in_front_of_a_text(tmp_path):
    file = small.rows(tmp_path / "r.jsonl", [{"text": "a", "label": "x", "system": "s", "history": []}])
    notes = Notes(words=False)
    list(read(lambda one: one, [file], kind=LabelledText, notes=notes))
    assert [line.split(": ", 1)[1] for line in notes.flags()] == ["the key 'system' of 1 rows is not used"]
    assert dict(TextGroup.left({"anchor": "a", "positive": "b", "score": 0.3}, False)) == {"score": True}


def test_what_is_left_out_and_guessed_is_counted(tmp_path, capsys):
    talk = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, {"from": "human", "value": "c"}]
    notes = noted(tmp_path, [{"conversations": talk}] * 3)
    assert notes.lines() == [f"{tmp_path}/r.jsonl: 3 rows: {TAIL}"]
    notes.tell()
    assert capsys.readouterr().err == f"warning: {tmp_path}/r.jsonl: 3 rows: {TAIL}\n"
    notes = noted(tmp_path, [{**ASKED, "answer": ""}, ASKED], skip_bad=True)
    assert notes.lines() == [f"{tmp_path}/r.jsonl: 1 rows: row that does not fit: answer: expected some text"]


def test_label_minus_one_is_named_and_can_be_left_out(tmp_path):
    file = small.rows(tmp_path / "r.jsonl", [{"text": "a", "label": label} for label in (0, 1, -1)])
    notes = Notes(words=False)
    assert len(list(read(lambda one: one, [file], kind=LabelledText, notes=notes))) == 3
    assert "1 rows: label -1 is learned like any other" in notes.lines()[0] and "data.rows.without" in notes.lines()[0]
    notes = Notes(words=False)
    found = list(read(lambda one: one, [file], RowReading(without=("-1",)), kind=LabelledText, notes=notes))
    assert [one.label for _, one in found] == [0, 1] and "1 rows: left out by its label: -1" in notes.lines()[0]
