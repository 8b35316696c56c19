import pytest

from texts import texts, write
from trivium.base.errors import DataError
from trivium.corpus.read.records import records


def test_parquet_is_read_in_batches(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [f"row {i}" for i in range(600)]
    parquet.write_table(pyarrow.table({"text": rows, "n": range(600)}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == rows
    assert list(records(tmp_path / "a.parquet"))[599] == (
        f"{tmp_path / 'a.parquet'}:600",
        {"text": "row 599", "n": 599},
    )


def test_rows_are_only_read_from_files_of_rows(tmp_path):
    with pytest.raises(DataError, match=r"a\.txt: expected a file of rows: \.jsonl"):
        list(records(write(tmp_path / "a.txt", "x")))
