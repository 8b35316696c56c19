import json

import pytest

from texts import texts, write
from trivium.base.errors import DataError
from trivium.corpus.read.records import rows as read_rows
from trivium.corpus.read.text import TextFile


def test_parquet_is_read_in_batches(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [f"row {i}" for i in range(600)]
    parquet.write_table(pyarrow.table({"text": rows, "n": range(600)}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == rows
    assert list(read_rows(TextFile(tmp_path / "a.parquet")))[599] == (600, {"text": "row 599", "n": 599})


def test_rows_are_only_read_from_files_of_rows(tmp_path):
    with pytest.raises(DataError, match=r"a\.txt: expected a file of rows: \.jsonl"):
        list(read_rows(TextFile(write(tmp_path / "a.txt", "x"))))


def tsv(tmp_path, text):
    return [tuple(row.values()) for _, row in read_rows(TextFile(write(tmp_path / "a.tsv", text)))]


def test_a_quotation_mark_in_tsv_is_a_letter_unless_the_whole_cell_is_quoted(tmp_path):
    body = '"Never again, said one\tbad\nLovely\tgood\nno, she said, "\tgood\n"all ""of"" it"\t"x"\nthe "b" c\t"\n'
    assert tsv(tmp_path, "text\tlabel\n" + body) == [
        ('"Never again, said one', "bad"),
        ("Lovely", "good"),
        ('no, she said, "', "good"),
        ('all "of" it', "x"),
        ('the "b" c', '"'),
    ]
    assert tsv(tmp_path, 'text\tlabel\n"one\n\n\ttwo"\tgood\n"a"\tb\n') == [("one\n\n\ttwo", "good"), ("a", "b")]
    assert tsv(tmp_path, 'n\ttext\n1\t"one\n\n""two"" \n"\n2\t"b\n') == [("1", 'one\n\n"two" \n'), ("2", '"b')]
    with pytest.raises(DataError, match=r"a\.tsv:1: expected 2 columns, found 1"):
        tsv(tmp_path, 'text\tlabel\n"open\nx\ty\n')


def test_keys_that_arrow_fills_with_null_are_absent(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    made = [{"calls": [{"a": 1}]}, {"calls": [{"b": {"c": "x"}}]}, {"calls": [None]}, {"calls": None}]
    parquet.write_table(pyarrow.Table.from_pylist(made), tmp_path / "a.parquet")
    assert [row for _, row in read_rows(TextFile(tmp_path / "a.parquet"))] == made


def test_class_numbers_in_lists_have_the_names_of_the_metadata(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    feature = {"feature": {"names": ["O", "B-x"], "_type": "ClassLabel"}, "_type": "List"}
    about = {b"huggingface": json.dumps({"info": {"features": {"tags": feature, "n": {"dtype": "int64"}}}}).encode()}
    table = pyarrow.Table.from_pylist([{"tags": [0, 1, 2], "n": 1}]).replace_schema_metadata(about)
    parquet.write_table(table, tmp_path / "a.parquet")
    assert [row for _, row in read_rows(TextFile(tmp_path / "a.parquet"))] == [{"tags": ["O", "B-x", 2], "n": 1}]
