"""Compressed files as plain streams of bytes, with an eye on bombs.

.gz, .zst and .xz are unpacked as they are read; more bytes out than `ratio` times the bytes in, or than `limit`
altogether, stop the reading before they fill memory or disk, and so does a file that is cut short or damaged.
It refuses to know what the bytes mean.
"""

import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import zstandard

from trivium.base.errors import DataError

PACKED = (".gz", ".zst", ".xz")

SLACK = 1 << 20
"""So many bytes may come out of any file, however small, before its ratio is looked at."""


@contextmanager
def opening(path: Path, ratio: int, limit: int) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked if its name says so; what fails on the way is a DataError naming it."""
    try:
        with open(path, "rb") as file:
            match path.suffix.lower():
                case ".gz":
                    inner: Any = gzip.GzipFile(fileobj=file)
                case ".zst":
                    inner = _Zstd(file)
                case ".xz":
                    inner = lzma.LZMAFile(file)  # noqa: SIM115
                case _:
                    yield file
                    return
            yield io.BufferedReader(_Guard(path, file, inner, ratio, limit), 1 << 18)
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError) as broken:
        raise DataError(f"{path}: damaged, or no {path.suffix} file: {broken}") from None
    except OSError as failed:
        raise DataError(f"{path}: cannot read: {failed.strerror or failed}") from failed


class _Guard(io.RawIOBase):
    """A stream that counts what comes out against what went in."""

    def __init__(self, path: Path, file: IO[bytes], inner: Any, ratio: int, limit: int) -> None:
        self._path, self._file, self._inner, self._ratio, self._limit = path, file, inner, ratio, limit
        self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        self._out += len(data)
        if self._out > self._limit or self._out > self._ratio * self._file.tell() + SLACK:
            raise DataError(
                f"{self._path}: unpacks to over {self._out} bytes from {self._file.tell()}: expected at most "
                f"{self._ratio} for 1 and {self._limit} in all; if the file is right, raise the limits"
            )
        buffer[: len(data)] = data
        return len(data)


class _Zstd:
    """All frames of a .zst file; unlike the library's own reader it notices when the last one is cut short."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._frame: Any = None
        self._rest, self._out = b"", memoryview(b"")

    def read(self, size: int) -> memoryview:
        while not self._out:
            # Little in at a time: 128 KiB may come out of every few bytes of it.
            chunk = self._rest or self._file.read(2048)
            if not chunk:
                if self._frame is not None:
                    raise EOFError("the file is cut short")
                break
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._out, self._rest = memoryview(self._frame.decompress(chunk)), self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        data, self._out = self._out[:size], self._out[size:]
        return data
