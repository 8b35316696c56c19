import json
from collections import Counter

import pytest

from trivium.base.errors import ConfigError, DataError
from trivium.corpus.read.unpack import zstd
from trivium.rows.read import RowReading, chosen
from trivium.rows.record import Record
from trivium.rows.table import rows

SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "T",
            "paragraphs": [
                {
                    "context": "one two",
                    "qas": [
                        {"id": "a", "question": "q", "answers": [{"text": "two", "answer_start": 4}]},
                        {"id": "b", "question": "r", "answers": []},
                    ],
                },
                {
                    "context": "three",
                    "qas": [{"id": "c", "question": "s", "answers": [{"text": "three", "answer_start": 0}]}],
                },
            ],
        }
    ],
}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_of_rows_is_a_file_of_rows(tmp_path):
    file = write(tmp_path / "a.json", "\ufeff" + json.dumps([{"a": 1}, {"a": 2}]))
    assert list(rows(file)) == [(f"{file}:1", {"a": 1}), (f"{file}:2", {"a": 2})]
    packed = tmp_path / "a.json.zst"
    packed.write_bytes(zstd.compress(b'{"data": [{"a": 1}]}'))
    assert list(rows(packed)) == [(f"{packed}:1", {"a": 1})]


def test_squad_becomes_a_row_a_question(tmp_path):
    file = write(tmp_path / "squad.json", json.dumps(SQUAD))
    found = list(rows(file))
    assert [where for where, _ in found] == [f"{file}:1.{n}" for n in (1, 2, 3)]
    assert found[0][1] == {
        "id": "a",
        "title": "T",
        "context": "one two",
        "question": "q",
        "answers": {"text": ["two"], "answer_start": [4]},
    }
    assert found[1][1]["answers"] == {"text": [], "answer_start": []} and found[2][1]["context"] == "three"
    del SQUAD["data"][0]["paragraphs"][1]["context"]
    with pytest.raises(DataError, match=r"squad.json:1: paragraphs\[1\].qas\[0\]: expected SQuAD's keys .*'context'"):
        list(rows(write(file, json.dumps(SQUAD))))


def test_instances_become_rows(tmp_path):
    row = {"id": 1, "instruction": "i", "instances": [{"input": "a", "output": "b"}, {"input": "c", "output": "d"}]}
    file = write(tmp_path / "seeds.jsonl", json.dumps(row))
    assert [(where[-3:], row["output"]) for where, row in rows(file)] == [("1.1", "b"), ("1.2", "d")]


def picked(file, columns):
    return [(where, row) for where, row, _ in chosen(file, RowReading(columns=columns), Record)]


@pytest.mark.parametrize(
    ("name", "text", "columns", "found"),
    [
        ("a.txt", "\ufeffHi.\t嗨。\tnote\n\nRun\t跑\tx\n", ("1", "2"), [("1", "Hi.", "嗨。"), ("3", "Run", "跑")]),
        ("a.tsv", 'x\t"a\nb\ty\n', ("2", "1"), [("1", '"a', "x"), ("2", "y", "b")]),
        ("a.csv", 'x,"a,b"\n', ("2", "1"), [("1", "a,b", "x")]),
        ("b.csv", "de,en\nja,yes\n", ("en", "de"), [("1", "yes", "ja")]),
        ("b.json", '[{"en": "yes", "de": "ja"}]', ("en", "de"), [("1", "yes", "ja")]),
    ],
)
def test_columns_are_source_and_target(tmp_path, name, text, columns, found):
    file = write(tmp_path / name, text)
    wanted = [(f"{file}:{n}", {"source": source, "target": target}) for n, source, target in found]
    assert picked(file, columns) == wanted


@pytest.mark.parametrize(
    ("name", "text", "columns", "error", "message"),
    [
        ("a.txt", "x\ty", (), DataError, "choose its columns by number, such as `--columns 1,2`"),
        ("a.txt", "x", ("1", "2"), DataError, r"a.txt:1: expected at least 2 columns, found 1"),
        ("a.csv", "a,b\n1,2\n", ("a", "c"), DataError, "a.csv:1: expected the column 'c', found a, b"),
        ("a.csv", "a,b\n1,2\n", ("a", "b", "c"), ConfigError, "columns: expected two, source and target, found"),
        ("a.txt", "x\ty", ("0", "1"), ConfigError, "numbers from 1"),
        ("a.jsonl", '{"a": 1}', ("1", "2"), ConfigError, "name the columns"),
        ("a.json", '{"a": 1}\n{"a": 2', (), DataError, "a.json: line 2: not JSON: "),
        ("a.json", "3", (), DataError, "expected a list of rows"),
        ("a.json", '[{"a": ' + "9" * 5000 + "}]", (), DataError, "a.json: not JSON that can be read: .*4300 digits"),
        (
            "a.json",
            '{"train": [{"a": 1}], "test": [{"a": 2}]}',
            (),
            DataError,
            "lists of rows: train, test; .*key=train",
        ),
        ("a.json", "[1]", (), DataError, "a.json:1: expected an object, found int"),
        ("a.bin", "x", (), DataError, "expected a file of rows"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, name, text, columns, error, message):
    with pytest.raises(error, match=message):
        picked(write(tmp_path / name, text), columns)
    with pytest.raises(DataError, match=r"[Nn]o such file"):
        list(rows(tmp_path / "nowhere.json"))


def test_conll_sentences_end_at_blank_lines(tmp_path):
    file = write(tmp_path / "x.conll", "-DOCSTART- O\n\nAnn NNP B-who\nran VB O\n\n\nBob NNP B-who\n")
    assert list(rows(file)) == [
        (f"{file}:3", {"tokens": ["Ann", "ran"], "tags": ["B-who", "O"]}),
        (f"{file}:7", {"tokens": ["Bob"], "tags": ["B-who"]}),
    ]
    with pytest.raises(DataError, match=r"x\.conll:2: expected a word and its tag, found 'ran'"):
        list(rows(write(file, "Ann O\nran\n")))


def conll(tmp_path, text, counts=None):
    file = write(tmp_path / "x.conll", text)
    return [[*zip(row["tokens"], row["tags"], strict=True)] for _, row in rows(file, counts=counts)]


def test_a_word_of_conll_keeps_its_spaces_and_may_be_a_hash(tmp_path):
    counts = Counter()
    assert conll(tmp_path, "# id 1 2\n# O\n1 O\n\n# new\nParis B-LOC\n", counts) == [
        [("#", "O"), ("1", "O")],
        [("Paris", "B-LOC")],
    ]
    assert counts == {"line that begins with #, read as a comment": 2}
    assert conll(tmp_path, "# text = New York\nNew York\tPROPN\tB-LOC \n#\tSYM\tO\n10\u00a0000\tNUM\tO\n") == [
        [("New York", "B-LOC"), ("#", "O"), ("10\u00a0000", "O")]
    ]
    # Columns by blanks, comments with a tab, as many words as columns.
    assert conll(tmp_path, "# id 1f\tdomain=x\nthe _ _ O\nsun _ _ O\n") == [[("the", "O"), ("sun", "O")]]
