"""Filter: whether a document is worth keeping, and if not, why.

A filter sees one cleaned text alone; what repeats between texts is `dedup`'s. It may first `trim` a text, which takes
whole lines away and counts them by reason; then `reason` says why the document should go, or nothing. `none` and
`light` are here; `web`, the rules for crawled pages, is a file of its own.
"""

from collections import Counter
from functools import cache
from typing import ClassVar

import numpy as np

from trivium.base.config import Choice


class Filter(Choice):
    """A judge of documents."""

    kinds: ClassVar[dict[str, type["Filter"]]]

    def trim(self, text: str, counts: Counter[str]) -> str:
        """Take away lines that no text wants; what was taken is added to `counts` by reason."""
        return text

    def reason(self, text: str) -> str | None:
        """Say why a cleaned text should be dropped, or None to keep it."""
        raise NotImplementedError


class Everything(Filter, kind="none"):
    """Drops only what has no text at all."""

    def reason(self, text: str) -> str | None:
        return None if text.strip() else "empty"


class Light(Filter, kind="light"):
    """Drops what is empty, very short, mostly undecodable, or mostly no words. For text one has chosen oneself."""

    min_chars: int = 20
    min_letters: float = 0.25
    max_broken: float = 0.02

    def reason(self, text: str) -> str | None:
        if not (stripped := text.strip()):
            return "empty"
        if len(stripped) < self.min_chars:
            return f"shorter than {self.min_chars} characters"
        codes = codepoints(stripped)
        visible = np.count_nonzero(codes > 0x20)
        if np.count_nonzero(codes == 0xFFFD) > self.max_broken * visible:
            return "undecodable characters"
        return "mostly no words" if np.count_nonzero(letters(codes)) < self.min_letters * visible else None


def codepoints(text: str) -> np.ndarray:
    """The characters of a text as numbers: u8 where that is enough for them, else u32."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)


def letters(codes: np.ndarray) -> np.ndarray:
    """Which code points are letters; beyond ASCII whatever is no Latin-1 sign, punctuation, symbol or private use."""
    return _letters()[codes]


@cache
def _letters() -> np.ndarray:
    codes = np.arange(0x110000, dtype=np.uint32)
    lower = codes | 0x20
    signs = ((codes >= 0x2000) & (codes < 0x2E80)) | ((codes >= 0x3000) & (codes < 0x3040)) | (codes == 0xFFFD)
    signs |= ((codes >= 0xE000) & (codes < 0xF900)) | (codes >= 0x1F000) & (codes < 0x20000)
    return ((lower >= 0x61) & (lower <= 0x7A) & (codes < 0x80)) | ((codes >= 0xC0) & ~signs)
