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
