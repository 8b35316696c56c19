"""Parquet: rows are read a few at a time, with only the columns that are wanted; bombs and damage are one line."""

from collections import Counter
from pathlib import Path

import pytest

from trivium.base.errors import DataError
from trivium.corpus.read.parquet import rows
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.sources import read

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(path: Path, **columns: object) -> Path:
    parquet.write_table(pyarrow.table(columns), path, compression="zstd", use_dictionary=False)
    return path


def test_only_wanted_columns_are_read(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", text=["a", "b"], n=[1, 2])
    assert list(rows(file, 200, 1 << 30, ("text", "content"))) == [(1, {"text": "a"}), (2, {"text": "b"})]
    assert list(rows(file, 200, 1 << 30, ("body",)))[1] == (2, {"text": "b", "n": 2})


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = write(tmp_path / "a.parquet", text=["a" * (8 << 20)], n=[1])
    with pytest.raises(DataError, match=r"a\.parquet: unpacks to over \d+ bytes from \d+: expected at most 200 for 1"):
        list(read([bomb]))
    assert len(next(iter(read([bomb], Reading(unpack_ratio=1 << 20)))).text) == 8 << 20
    with pytest.raises(DataError, match="and 1000 in all"):
        list(rows(write(tmp_path / "b.parquet", text=[str(n) for n in range(999)]), 200, 1000))


def test_long_and_textless_rows_follow_the_policy(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", text=["a", None, "b" * 200])
    counts: Counter[str] = Counter()
    found = list(read([file], Reading(longest_bytes=100, broken="drop"), counts))
    assert [(row.id, row.text) for row in found] == [("1", "a")]
    assert counts == {"not read: row without text": 1, "not read: row over 100 bytes": 1}
    with pytest.raises(DataError, match=r'a\.parquet:2: "text": expected a string, found None'):
        list(read([file]))


@pytest.mark.parametrize("keep", [0, 4, 100, -9, -1])
def test_a_file_cut_short_is_named(tmp_path: Path, keep: int) -> None:
    file = write(tmp_path / "a.parquet", text=[str(n) for n in range(500)])
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as parquet"):
        list(read([file]))


def test_a_flipped_byte_is_no_traceback(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", text=[f"row {n}" for n in range(300)])
    content = file.read_bytes()
    for at in range(0, len(content), max(1, len(content) // 60)):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        try:
            assert all(isinstance(document.text, str) for document in read([file]))
        except DataError as refused:
            assert "a.parquet" in str(refused) and "\n" not in str(refused)
