"""Texts and labels: in words, and as the target of a head."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest

from layouts import layout
from talk import parse, record
from trivium.base.errors import DataError
from trivium.rows.kinds.text import LabelledText, in_order
from trivium.rows.read import RowReading, read


def read_texts(*files, **reading):
    return [one for _, one in read(lambda one: one, files, RowReading(**reading), kind=LabelledText)]


def test_keys_have_other_names():
    assert record(LabelledText, {"premise": "a", "hypothesis": "b", "labels": ["x", 2]}).texts == ["a", "b"]
    assert record(LabelledText, {"sentence": "a", "label": 3}).labels == ("3",)


def test_a_text_without_a_label_is_one_to_be_labelled():
    assert record(LabelledText, {"text": "a"}).labels == () == record(LabelledText, {"text": "a", "label": None}).labels


def words(row):
    found = parse(row)
    return found.messages[-1].content, found.references


def test_labels_are_text_too():
    assert words({"text": "t", "label": "good"}) == ("classify: t", ("good",))
    assert words({"text": "t", "text_pair": "u", "label": 1}) == ("classify: t\n\nu", ("1",))
    assert words({"text": "t", "labels": ["a", "b"]}) == ("classify: t", ("a, b",))


def test_a_row_in_words_has_a_label():
    with pytest.raises(DataError, match="f:1: label: expected a value, found null"):
        parse({"text": "t", "label": None})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"txt": "a"}, r"f:1: expected the keys \{text\} of label rows, found \{txt\}; 'text' is missing"),
        ({"text": 3}, "f:1: text: expected a text, found 3"),
    ],
)
def test_a_wrong_row_is_one_clear_line(row, message):
    with pytest.raises(DataError, match=message):
        record(LabelledText, row)


def test_labels_are_in_order():
    assert in_order(["b", "a", "b"]) == ("a", "b") and in_order(["10", "9"]) == ("9", "10")


def test_a_label_is_its_number_and_several_are_a_vector():
    def target(labels, multi_label):
        return LabelledText(text="", label=labels).target(("a", "b"), multi_label)

    assert target("b", False) == 1
    assert target(("b",), True).tolist() == [0, 1] and target((), True).tolist() == [0, 0]
    with pytest.raises(ValueError, match="label 'c' is none of the model's: a, b"):
        target("c", False)
    with pytest.raises(ValueError, match="label: expected one, found 0"):
        target(None, False)


def test_a_text_that_is_cut_is_counted():
    counts, head = Counter(), SimpleNamespace(labels=("a",), multi_label=False)
    for text, length in (("x" * 99, 16), ("xy", 4)):
        (example,) = LabelledText(text=text, label="a").examples(layout(16), head, None, counts)
        assert len(example) == length and example.targets["label"] == 0
    assert counts == {"cut to 16 tokens, the model's context": 1}


def test_tables_are_read_by_their_header(tmp_path):
    (tmp_path / "x.tsv").write_text("text\tlabel\na b\tyes\n")
    (tmp_path / "y.csv").write_text('text,label\n"a, b",no\n')
    found = [(*one.labels, one.text) for one in read_texts(tmp_path / "x.tsv", tmp_path / "y.csv")]
    assert found == [("yes", "a b"), ("no", "a, b")]
    (tmp_path / "z.tsv").write_text("yes\ta b\n")
    assert read_texts(tmp_path / "z.tsv", columns=("2", "1")) == [LabelledText(text="a b", label="yes")]


def test_rows_that_do_not_fit_are_counted_on_request(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ({"text": "a", "label": "b"}, {"a": 1})))
    assert len(read_texts(file, skip_bad=True)) == 1
