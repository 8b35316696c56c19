"""Text of a file: decoded, whole or line by line, in bounded memory.

A text file that is longer than one document may be is cut at line ends into many; a line that is longer is left out.
Both are counted by reason.
"""

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from trivium.base.errors import DataError
from trivium.corpus.read import encoding, unpack
from trivium.corpus.read.reading import NOT_READ, PAGES, Counts, Reading, kind

PIECE_BYTES = 1 << 20
"""The size of the documents into which a long text file is cut, as far as its lines allow."""


class ByteRange(NamedTuple):
    """The bytes from `start` to `stop` of a file in UTF-8, and the number of lines, or of documents, before them."""

    start: int = 0
    stop: int = sys.maxsize
    first: int = 0


WHOLE = ByteRange()


@dataclass
class TextFile:
    """A file of text, the options for reading it, and the counts of what was repaired or left out."""

    path: Path
    reading: Reading = field(default_factory=Reading)
    counts: Counts = field(default_factory=Counts)
    section: ByteRange = WHOLE
    """The part of the file that is read."""

    @contextmanager
    def opened(self, rows: bool = False) -> Iterator[tuple[IO[bytes], bool]]:
        """Open the file, unpacked and as UTF-8; and tell whether its encoding was marked or declared.

        In a file of `rows`, UTF-16 without a mark is recognised by its first bytes.
        """
        with unpack.opening(self.path, self.reading.unpack_ratio, self.reading.unpack_bytes) as handle:
            head = handle.peek(4096)  # type: ignore[attr-defined]
            name = encoding.marked(head) or self.reading.encoding
            if name is None and kind(self.path, self.reading.as_text) in PAGES:
                name = encoding.of_page(head)
            elif name is None and rows and b"\0" in head[:4096]:
                name = encoding.recognise(head[: len(head) // 2 * 2])
            if name is None or codecs.lookup(name).name == "utf-8":
                yield handle, name is not None
            else:
                strict = self.reading.invalid == "strict"
                recoded: Any = encoding.Recoded(handle, name, self.path, strict, self.counts)
                yield io.BufferedReader(recoded, 1 << 18), True

    def parts(self) -> Iterator[tuple[int, str]]:
        """Yield (number from 1, text): the file as one document, or as several where it is longer than that may be."""
        with self.opened() as (handle, known):
            for number, (offset, part) in enumerate(self.pieces(handle), start=self.section.first + 1):
                if number > 1:
                    self.counts["text file cut: longer than one document may be"] += 1
                text = self._decode(part, offset, whole=not known and self.reading.invalid == "replace")
                if text is not None:
                    yield number, encoding.tidy(text, self.counts)

    def pieces(self, handle: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of each document of a text file.

        A file of more than `longest_bytes` is cut behind the last line end in each `PIECE_BYTES`; where there is none,
        between two characters.
        """
        (offset, stop, _), longest = self.section, self.reading.longest_bytes
        rest = b""
        if not offset:
            rest = handle.read(longest + 1)
            if len(rest) <= longest:
                yield 0, rest
                return
        else:
            handle.seek(offset)
        size = min(PIECE_BYTES, longest)
        while offset < stop:
            if len(rest) < size:
                rest += handle.read(size - len(rest))
            last = len(rest) < size
            cut = len(rest) if last else rest.rfind(b"\n", 0, size) + 1 or _character(rest[:size])
            if cut:
                yield offset, rest[:cut]
            if last:
                return
            offset, rest = offset + cut, rest[cut:]

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield (number from 1, line with its end); lines too long, or invalid under `drop`, are left out.

        Where a line is not UTF-8, the encoding is recognised on the whole file.
        """
        longest = self.reading.longest_bytes
        with self.opened(rows=True) as (handle, known):
            offset, stop, number = self.section
            if offset:
                handle.seek(offset)
            name, plain = None, True
            while offset < stop and (raw := handle.readline(longest + 1)):
                number, start = number + 1, offset
                offset += len(raw)
                if len(raw) > longest and not raw.endswith(b"\n"):
                    while raw and not raw.endswith(b"\n"):
                        raw = handle.readline(1 << 20)
                        offset += len(raw)
                    self.counts[f"{NOT_READ}line over {longest} bytes"] += 1
                    continue
                ascii_line = raw.isascii()
                if not (ascii_line or known or valid(raw)):
                    name, known = self._recognised(number, plain), True
                plain = plain and ascii_line
                if name is not None:
                    yield number, self._as(raw, name)
                elif (line := self._decode(raw, start)) is not None:
                    yield number, line.removeprefix("\ufeff") if number == 1 else line

    def _recognised(self, number: int, plain: bool) -> str | None:
        """Return the encoding of a file whose line `number` is the first that is not UTF-8; None is damaged UTF-8.

        `plain` says that all lines before it are ASCII. A file that cannot be told is a DataError where `unsure` stops.
        """
        if self.reading.invalid != "replace":
            return None
        sample = b""
        with unpack.opening(self.path, self.reading.unpack_ratio, self.reading.unpack_bytes) as handle:
            while len(sample) < encoding.SAMPLE and (raw := handle.readline(1 << 20)):
                sample += b"" if raw.isascii() else raw
        name = encoding.recognise(sample)
        if name is not None and plain and encoding.sure(sample):
            self.counts[f"file recognised as {name}"] += 1
            return name
        if self.reading.unsure == "stop" and not encoding.damaged(sample):
            guess = f"it may be {name}, but that is not sure" if name else "no encoding was recognised"
            raise DataError(f"{self.path}: line {number}: expected UTF-8; {guess}; name the encoding by `--encoding`")
        return None

    def _as(self, raw: bytes, name: str) -> str:
        """Decode bytes in a recognised encoding; what is invalid is replaced and counted."""
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            self.counts[f"invalid {name}, replaced"] += 1
            return raw.decode(name, "replace")

    def _decode(self, raw: bytes, offset: int, whole: bool = False) -> str | None:
        """Decode bytes that start at `offset` of the file; None where the policy leaves them out.

        A `whole` text that is not UTF-8 may be in an encoding that can be recognised.
        """
        name = encoding.recognise(raw) if whole and b"\0" in raw[:4096] else None
        if name is None:
            try:
                return raw.decode("utf-8")
            except UnicodeDecodeError as error:
                wrong = error
            name = encoding.recognise(raw) if whole else None
        if name is not None:
            self.counts[f"text recognised as {name}"] += 1
            return self._as(raw, name)
        if self.reading.invalid == "strict":
            raise DataError(
                f"{self.path}: byte {offset + wrong.start}: expected UTF-8, found 0x{raw[wrong.start]:02x} "
                f"({wrong.reason}); convert the file, name its encoding, or read it with invalid = 'replace'"
            ) from None
        if self.reading.invalid == "drop":
            self.counts[f"{NOT_READ}invalid UTF-8"] += 1
            return None
        self.counts["invalid UTF-8, replaced"] += 1
        return raw.decode("utf-8", "replace")


def valid(raw: bytes) -> bool:
    """Return whether bytes are UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _character(part: bytes) -> int:
    """Return a place near the end where a long line can be cut without cutting a character."""
    at = len(part)
    while at > max(0, len(part) - 4) and part[at - 1] & 0xC0 == 0x80:
        at -= 1
    return max(at - 1, 1)
