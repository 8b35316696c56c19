"""Encodings: any encoding becomes UTF-8 as it streams, so that all readers see UTF-8 alone.

A byte order mark counts first, then the declared encoding, then UTF-8. A whole file that is not UTF-8 may be recognised
as UTF-16 without a mark, GB18030 or Windows-1252, the most common ones.
"""

import codecs
import io
import re
from collections import Counter
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
from pydantic import AfterValidator

from trivium.base.errors import DataError
from trivium.token.tokenizer import scrub

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"\x841\x953", "gb18030"),
)
"""Byte order marks, the longer ones first, and their encodings."""

_PAGE = re.compile(
    rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w-]{2,30})|<\?xml[^>]{0,100}encoding=["']([\w-]+)""", re.I
)
_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HANZI = re.compile(rb"[\xa1-\xa3\xb0-\xf7][\xa1-\xfe]")
_HANGUL = re.compile(rb"[\xb0-\xc8][\xa1-\xfe]")
_LETTER = rb"[\xc0-\xff\x8a\x8c\x8e\x9a\x9c\x9e\x9f]"
_LATIN = re.compile(
    rb"(?<=[A-Za-z ])" + _LETTER + rb"(?![\xc0-\xff])|(?<![\xc0-\xff])" + _LETTER + rb"(?=[A-Za-z ])"
    rb"|[\x80\x82-\x89\x8b\x91-\x99\x9b\xa0-\xbf]"
)
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_HALVES = re.compile("[\ud800-\udfff]")
SAMPLE = 1 << 20
LEAST = 16
"""The least bytes beyond ASCII that tell the encoding of a file of rows."""


def known(name: str) -> bool:
    """Return whether Python knows this name as an encoding of text."""
    try:
        return codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        return False


def checked(name: str) -> str:
    """Return the name of an encoding; a ValueError if Python knows none of this name."""
    if not known(name):
        raise ValueError(f"expected one that Python knows (utf-16, gb18030, ...), found {name!r}")
    return name


EncodingName = Annotated[str, AfterValidator(checked)]
"""The name of an encoding that Python knows."""


def marked(head: bytes) -> str | None:
    """Return the encoding whose byte order mark these first bytes of a file are."""
    return next((name for mark, name in MARKS if head.startswith(mark)), None)


def of_page(head: bytes) -> str | None:
    """Return the encoding that an HTML page states, if it is known."""
    found = _PAGE.search(head[:4096])
    name = (found[1] or found[2]).decode().lower() if found else ""
    # The Web's latin-1 is Windows-1252, and its gb2312 can be read as GB18030 (WHATWG Encoding).
    if name in ("iso-8859-1", "latin-1", "latin1", "ascii", "us-ascii"):
        name = "cp1252"
    elif name in ("gb2312", "gbk"):
        name = "gb18030"
    return name if name and known(name) else None


def recognise(raw: bytes) -> str | None:
    """Return the encoding of a whole text that is not UTF-8, or None if nothing tells it."""
    raw = raw[:SAMPLE]
    codes = np.frombuffer(raw, np.uint8)
    nulls = [float((codes[side::2] == 0).mean()) if len(codes) > 1 else 0.0 for side in (0, 1)]
    if max(nulls) > 0.3 and max(nulls) > 10 * min(nulls) and not len(raw) % 2:
        name = "utf-16-le" if nulls[1] > nulls[0] else "utf-16-be"
        return name if _decodes(raw, name) else None
    high = int((codes >= 0x80).sum())
    if not high or damaged(raw):
        return None
    pairs = len(_HANZI.findall(raw))
    if high >= 8 and 2 * pairs >= 0.9 * high:
        hangul = len(_HANGUL.findall(raw))
        return "gb18030" if hangul < 0.95 * pairs and _decodes(raw, "gb18030") else None
    latin = len(_LATIN.findall(raw))
    return "cp1252" if latin >= 0.9 * high and not _UNDEFINED.search(raw) else None


def damaged(raw: bytes) -> bool:
    """Return whether bytes that are not UTF-8 are UTF-8 for the most part."""
    high = sum(byte >= 0x80 for byte in raw)
    # Half of the bytes of Chinese in GBK look like it by chance.
    return 4 * sum(map(len, _UTF8.findall(raw))) >= 3 * high > 0


def sure(raw: bytes) -> bool:
    """Return whether bytes are enough to tell their encoding."""
    return sum(byte >= 0x80 for byte in raw) >= LEAST


def _decodes(raw: bytes, name: str) -> bool:
    """Return whether bytes are valid in an encoding; their end may cut a character."""
    try:
        codecs.getincrementaldecoder(name)().decode(raw)
    except UnicodeDecodeError:
        return False
    return True


def _bad(wrong: UnicodeError) -> tuple[str, int]:
    assert isinstance(wrong, UnicodeDecodeError)
    return "\udcff", wrong.end


codecs.register_error("trivium-bad", _bad)


class Recoded(io.RawIOBase):
    """A stream of UTF-8 made from a stream in another encoding. 0xFF stands for bytes that could not be decoded."""

    def __init__(self, handle: IO[bytes], encoding: str, path: Path, strict: bool, counts: Counter[str]) -> None:
        self._handle, self._encoding, self._path = handle, encoding, path
        make = codecs.getincrementaldecoder(encoding)
        self._decoder: Any = make("strict" if strict else "trivium-bad")
        self._out, self._read, self._done = memoryview(b""), 0, False
        counts[f"file read as {encoding}"] += 1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Decode the next blocks of the file and copy UTF-8 bytes into `buffer`; return their number, 0 at the end."""
        while not self._out and not self._done:
            block = self._handle.read(1 << 16)
            self._done, pending = not block, len(self._decoder.getstate()[0])
            try:
                text = self._decoder.decode(block, final=self._done)
            except UnicodeDecodeError as wrong:
                raise DataError(
                    f"{self._path}: byte {self._read - pending + wrong.start}: expected {self._encoding}, found "
                    f"0x{wrong.object[wrong.start]:02x} ({wrong.reason}); is this its encoding?"
                ) from None
            except UnicodeError as wrong:  # UTF-16 and UTF-32 without a mark
                raise DataError(
                    f"{self._path}: {self._encoding}: {wrong}; name the order of its bytes, such as utf-16-le"
                ) from None
            self._read += len(block)
            text = _HALVES.sub("\udcff", text)
            self._out = memoryview(text.encode("utf-8", "surrogateescape"))
        size = min(len(buffer), len(self._out))
        buffer[:size], self._out = self._out[:size], self._out[size:]
        return size


def tidy(text: str, counts: Counter[str]) -> str:
    """Return the text with LF line ends and without BOM, NUL and lone surrogates; repairs are counted."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        counts["NUL removed"] += 1
        text = text.replace("\0", "")
    if not text.isascii() and (whole := scrub(text)) is not text:
        counts["lone surrogate replaced"] += 1
        text = whole
    return text.removeprefix("\ufeff")
