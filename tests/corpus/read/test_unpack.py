"""Compressed files: what comes out is what went in, and what would fill the disk or is cut short is an error."""

import gzip
import lzma
from pathlib import Path

import pytest

from trivium.base.errors import DataError
from trivium.corpus.read.unpack import PACKED, SLACK, opening, zstd

PACK = {".gz": gzip.compress, ".zst": zstd.compress, ".xz": lzma.compress}
TEXT = b"".join(b"line %d of some text\n" % n for n in range(20_000))


def packed(tmp_path: Path, suffix: str, content: bytes) -> Path:
    (tmp_path / f"a{suffix}").write_bytes(PACK[suffix](content))
    return tmp_path / f"a{suffix}"


def test_every_packing_has_a_test() -> None:
    assert set(PACK) == set(PACKED)


@pytest.mark.parametrize("suffix", PACKED)
def test_what_went_in_comes_out(tmp_path: Path, suffix: str) -> None:
    with opening(packed(tmp_path, suffix, TEXT), ratio=200, limit=1 << 30) as handle:
        assert handle.read() == TEXT


@pytest.mark.parametrize("suffix", PACKED)
def test_a_bomb_is_stopped_before_it_is_unpacked(tmp_path: Path, suffix: str) -> None:
    bomb = packed(tmp_path, suffix, bytes(40 * SLACK))
    read = 0
    with pytest.raises(DataError, match="unpacks to over"), opening(bomb, ratio=10, limit=1 << 40) as handle:
        while block := handle.read(1 << 16):
            read += len(block)
    assert read < 4 * SLACK


@pytest.mark.parametrize("suffix", PACKED)
def test_the_absolute_limit_holds_too(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path, suffix, TEXT)
    with pytest.raises(DataError, match="unpacks to over"), opening(path, ratio=10_000, limit=1000) as handle:
        handle.read()


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("harm", ["cut", "noise"])
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str, harm: str) -> None:
    path = packed(tmp_path, suffix, TEXT)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if harm == "cut" else b"noise" * 100)
    with pytest.raises(DataError, match=f"a{suffix}"), opening(path, ratio=200, limit=1 << 30) as handle:
        handle.read()


def test_a_file_of_no_bytes_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.touch()
    with pytest.raises(DataError, match=r"a\.zst: damaged"), opening(path, ratio=200, limit=1 << 30) as handle:
        handle.read()


def test_all_frames_of_a_file_are_read_and_noise_behind_them_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(zstd.compress(b"one ") + zstd.compress(b"") + zstd.compress(b"two"))
    with opening(path, ratio=200, limit=1 << 30) as handle:
        assert handle.read() == b"one two"
    path.write_bytes(zstd.compress(b"one ") + b"noise" * 100)
    with pytest.raises(DataError, match=r"a\.zst: damaged"), opening(path, ratio=200, limit=1 << 30) as handle:
        handle.read()
