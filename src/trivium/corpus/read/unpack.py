"""Unpack: compressed files as plain streams of bytes, guarded against decompression bombs.

.gz, .zst and .xz are unpacked while they are read. Reading stops with a DataError when more than `ratio` bytes come out
for one byte in, when more than `limit` bytes come out in all, or when the file is cut short or damaged.
"""

import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from trivium.base.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKED = (".gz", ".zst", ".xz")

SLACK = 1 << 20
"""Bytes that may come out of any file before its ratio is checked."""


def inner_name(path: Path) -> str:
    """Return the lower-case name of a file without the suffix of its compression."""
    name = path.name.lower()
    return name.removesuffix(Path(name).suffix) if name.endswith(PACKED) else name


@contextmanager
def opening(path: Path, ratio: int, limit: int) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked if its name says so; every failure is a DataError with its name."""
    try:
        with open(path, "rb") as file:
            match path.suffix.lower():
                case ".gz":
                    inner: Any = gzip.GzipFile(fileobj=file)
                case ".zst":
                    inner = zstd.ZstdFile(file)
                case ".xz":
                    inner = lzma.LZMAFile(file)  # noqa: SIM115
                case _:
                    yield file
                    return
            yield io.BufferedReader(_Guard(path, file, inner, ratio, limit), 1 << 18)
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstd.ZstdError) as broken:
        raise DataError(f"{path}: damaged, or no {path.suffix} file: {broken}") from None
    except OSError as failed:
        raise DataError(f"{path}: cannot read: {failed.strerror or failed}") from failed


class _Guard(io.RawIOBase):
    """A stream that compares the bytes that come out with the bytes that went in."""

    def __init__(self, path: Path, file: IO[bytes], inner: Any, ratio: int, limit: int) -> None:
        self._path, self._file, self._inner, self._ratio, self._limit = path, file, inner, ratio, limit
        self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        self._out += len(data)
        if self._out > self._limit or self._out > self._ratio * self._file.tell() + SLACK:
            raise bomb(self._path, self._out, self._file.tell(), self._ratio, self._limit)
        buffer[: len(data)] = data
        return len(data)


def bomb(path: Path, size: int, packed: int, ratio: int, limit: int) -> DataError:
    """Return the error for a file that unpacks to too much."""
    return DataError(
        f"{path}: unpacks to over {size} bytes from {packed}: expected at most {ratio} for 1 and "
        f"{limit} in all; if the file is right, raise the limits"
    )
