"""Filter: whether a document is kept, and if not, why.

A filter sees one cleaned text alone; duplicates of other texts are the work of `stage/dedup`. It may first `trim` a
text, which removes whole lines and counts them by reason; then `reason` says why to drop the document. `none` and
`light` are here; `web`, the rules for crawled pages, has its own file.
"""

from collections import Counter
from functools import cache
from typing import ClassVar

import numpy as np
from pydantic import Field

from trivium.base.config import Choice
from trivium.corpus.duplicates.shingle import codepoints


class Filter(Choice):
    """A family of rules that keep or drop documents."""

    kinds: ClassVar[dict[str, type["Filter"]]]

    def trim(self, text: str, counts: Counter[str]) -> str:
        """Return the text without lines that are no content; `counts` takes what was removed, by reason."""
        return text

    def reason(self, text: str) -> str | None:
        """Say why a cleaned text should be dropped, or return None to keep it."""
        raise NotImplementedError


class Everything(Filter, kind="none"):
    """Drop only empty texts."""

    def reason(self, text: str) -> str | None:
        return None if text.strip() else "empty"


class Light(Filter, kind="light"):
    """Drop texts that are empty, very short, mostly undecodable, or mostly not words. For texts chosen by hand."""

    min_chars: int = Field(20, ge=0)
    min_letters: float = Field(0.25, ge=0, le=1)
    max_broken: float = Field(0.02, ge=0, le=1)

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


def letters(codes: np.ndarray) -> np.ndarray:
    """Return which code points [N] are letters (bool [N]).

    Beyond ASCII, everything counts as a letter that is not a Latin-1 sign, punctuation, symbol or private use.
    """
    return _letters()[codes]


@cache
def _letters() -> np.ndarray:
    codes = np.arange(0x110000, dtype=np.uint32)
    lower = codes | 0x20
    signs = ((codes >= 0x2000) & (codes < 0x2E80)) | ((codes >= 0x3000) & (codes < 0x3040)) | (codes == 0xFFFD)
    signs |= ((codes >= 0xE000) & (codes < 0xF900)) | (codes >= 0x1F000) & (codes < 0x20000)
    return ((lower >= 0x61) & (lower <= 0x7A) & (codes < 0x80)) | ((codes >= 0xC0) & ~signs)
