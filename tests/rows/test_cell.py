"""Lists and several labels in one cell of a table."""

import csv
import json

import pytest

from trivium.rows.cell import separator_of
from trivium.rows.read import RowReading, read
from trivium.rows.record import Record


def labelled(file, **reading):
    return [(one.text, one.label) for _, one in read(lambda one: one, [file], RowReading(**reading), kind=LABEL)]


LABEL = Record.kinds["label"]


def table(path, *rows):
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([("text", "label"), *rows])
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_list_in_a_cell_is_a_list_where_the_field_takes_one(tmp_path, suffix):
    rows = [("[1]", '["a", "b, c"]'), ('["x"]', """["it's", 'd']"""), ("[note", "[1, 2]"), ("y", "[x]"), ("z", "[")]
    found = labelled(table(tmp_path / f"a.{suffix}", *rows))
    assert found == [
        ("[1]", ("a", "b, c")),  # a text takes no list
        ('["x"]', ("it's", "d")),
        ("[note", (1, 2)),
        ("y", "[x]"),
        ("z", "["),
    ]


@pytest.mark.parametrize("separator", ["|", ", ", ";"])
def test_labels_are_parted_only_where_the_separator_is_named(tmp_path, separator):
    rows = [("wine", f"food{separator}drink"), ("soup", "food"), ("ball", "sport")]
    file = table(tmp_path / "a.csv", *rows)
    assert labelled(file) == rows
    assert [label for _, label in labelled(file, separator=separator)] == [("food", "drink"), ("food",), ("sport",)]
    assert separator_of(label for _, label in rows) == separator


@pytest.mark.parametrize("labels", [["a", "b"], ["n/a", "yes"], ["sci/med", "sci/space", "soc"], ["a,", "b,"], []])
def test_labels_that_are_whole_have_no_separator(labels):
    assert separator_of(labels) is None


def test_spaces_around_labels_are_left_out(tmp_path):
    file = table(tmp_path / "a.csv", ("a", "very good "), ("b", " very good"))
    made = [one for _, one in read(lambda one: one, [file], RowReading(), kind=LABEL)]
    assert [one.labels for one in made] == [("very good",)] * 2
    assert made[0].chat({}).references == ("very good",) and made[0].remarks
    tagged = Record.kinds["tagged"].model_validate({"tokens": ["a"], "tags": [" B-x "]})
    assert tagged.names == ["B-x"]


def test_rows_are_equal_through_every_kind_of_file(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    texts = ['"Never again', 'a "b" c', 'said, "', "x\u00a0y", "tab\tin", "line\n\nend", '""', "[1", "'q'"]
    rows = [(text, f"label {i % 2}") for i, text in enumerate(texts)]
    files = [table(tmp_path / f"a.{suffix}", *rows) for suffix in ("csv", "tsv")]
    plain = [{"text": text, "label": label} for text, label in rows]
    files.append(tmp_path / "a.jsonl")
    files[-1].write_text("".join(json.dumps(row) + "\n" for row in plain))
    parquet.write_table(arrow.Table.from_pylist(plain), tmp_path / "a.parquet")
    assert all(labelled(file) == rows for file in [*files, tmp_path / "a.parquet"])
