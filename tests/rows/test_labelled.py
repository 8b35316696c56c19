"""Records of tasks: which keys they stand under, and what a wrong row is told."""

import json
from collections import Counter

import pytest

from trivium.base.errors import DataError
from trivium.base.types import Message
from trivium.rows.labelled import Better, Group, Question, Text, Words, parse, read
from trivium.rows.row import RowReading


def test_keys_have_other_names():
    assert parse(Text, {"premise": "a", "hypothesis": "b", "labels": ["x", 2]}, "f:1").texts == ["a", "b"]
    assert parse(Text, {"sentence": "a", "label": 3}, "f:1").labels == ("3",)
    assert parse(Group, {"query": "a", "pos": "b", "neg": "c", "other": 1}, "f:1").negatives == ("c",)
    assert parse(Words, {"words": ["a"], "ner_tags": [0]}, "f:1").tags == (0,)


def test_a_text_without_a_label_is_one_to_be_labelled():
    assert (
        parse(Text, {"text": "a"}, "f:1").labels == () and parse(Text, {"text": "a", "label": None}, "f:1").labels == ()
    )


@pytest.mark.parametrize(
    ("kind", "row", "message"),
    [
        (Text, {"txt": "a"}, r"f:1: expected the keys \{text\}, found \{txt\}; no 'text'"),
        (Text, {"text": 3}, "f:1: text: input should be a valid string, found 3"),
        (Words, {"tokens": ["a", "b"], "tags": ["O"]}, "tags: expected one for each of 2 tokens, found 1"),
        (Words, {"tokens": []}, "tokens: expected at least one, found none"),
        (
            Question,
            {"question": "q", "context": "abc", "answers": {"text": ["c"], "answer_start": [0]}},
            "answers: expected 'c' at 0 of the context, found 'a'",
        ),
        (Better, {"prompt": "p", "chosen": " ", "rejected": "b"}, "chosen: expected an answer of the assistant"),
        (Better, {"chosen": "a", "rejected": "b"}, "prompt: expected some text, found none"),
        (Better, {"prompt": [{"role": "user"}], "chosen": "a", "rejected": "b"}, r"prompt\[0\]: expected role and"),
    ],
)
def test_a_wrong_row_is_one_clear_line(kind, row, message):
    with pytest.raises(DataError, match=message):
        parse(kind, row, "f:1")


def test_pairs_of_answers_come_as_texts_or_messages():
    plain = parse(Better, {"instruction": "Say.", "input": "now", "chosen": "a", "rejected": "b"}, "f:1").messages
    assert plain == ((Message("user", "Say.\n\nnow"),), "a", "b")
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    whole = {"prompt": "q", "chosen": turns, "rejected": [turns[0], {"role": "assistant", "content": "b"}]}
    assert parse(Better, whole, "f:1").messages == ((Message("user", "q"),), "a", "b")
    with pytest.raises(DataError, match="expected the same messages before the last"):
        parse(Better, {**whole, "rejected": [{"role": "user", "content": "z"}, turns[1]]}, "f:1")


def test_conll_sentences_end_at_blank_lines(tmp_path):
    file = tmp_path / "x.conll"
    file.write_text("-DOCSTART- O\n\nAnn NNP B-who\nran VB O\n\n\nBob NNP B-who\n")
    found = [(where.rsplit(":", 1)[1], one.tokens, one.tags) for where, one in read(Words, [file])]
    assert found == [("3", ("Ann", "ran"), ("B-who", "O")), ("7", ("Bob",), ("B-who",))]
    file.write_text("Ann O\nran\n")
    with pytest.raises(DataError, match=r"x\.conll:2: expected a word and its tag, found 'ran'"):
        list(read(Words, [file]))


def test_tables_are_read_by_their_header(tmp_path):
    (tmp_path / "x.tsv").write_text("text\tlabel\na b\tyes\n")
    (tmp_path / "y.csv").write_text('text,label\n"a, b",no\n')
    found = [(*one.labels, one.text) for _, one in read(Text, [tmp_path / "x.tsv", tmp_path / "y.csv"])]
    assert found == [("yes", "a b"), ("no", "a, b")]


def test_rows_that_do_not_fit_are_counted_on_request(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ({"text": "a", "label": "b"}, {"a": 1})))
    counts = Counter()
    assert len(list(read(Text, [file], RowReading(skip_bad=True), counts))) == 1 and counts.total() == 1
