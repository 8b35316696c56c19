"""Cleaning: what one document's text looks like afterwards, and whether the document is worth keeping.

`clean` mends: mojibake, Unicode composition, control characters, line ends, needless space. A `Filter` judges: it
says why a document should go, or nothing. Both look at one text alone; what repeats between texts is `dedup`'s.
"""

import re
import unicodedata
from typing import ClassVar

import numpy as np

from trivium.base.config import Choice, Config


class Cleaning(Config):
    """What `clean` may mend."""

    mojibake: bool = True
    compose: bool = True
    blank_lines: int = 2


# A letter that the first byte of a UTF-8 sequence turns into when read as Latin-1 or Windows-1252, and one that a
# further byte turns into; or a C1 control, which no text wants. Only what has these is shown to ftfy (20 x slower).
_SUSPECT = re.compile("[ÂÃÄÅÆÇÐÑØâãäåæçèéïðÎÏ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|[\u0080-\u009f]")
_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")


def clean(text: str, cleaning: Cleaning | None = None) -> str:
    """Mend a text: one call is enough, a second changes nothing."""
    cleaning = cleaning or Cleaning()
    if cleaning.mojibake and _SUSPECT.search(text):
        text = _mend(text)
    text = _CONTROL.sub("", _BREAKS.sub("\n", text))
    if cleaning.compose and not text.isascii():
        text = unicodedata.normalize("NFC", text)
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    keep = "\n" * (cleaning.blank_lines + 1)
    return re.sub(keep + "\n+", keep, text).strip("\n")


def _mend(text: str) -> str:
    import ftfy

    config = ftfy.TextFixerConfig(
        unescape_html=False, remove_terminal_escapes=False, fix_latin_ligatures=False, fix_character_width=False,
        uncurl_quotes=False, fix_line_breaks=False, remove_control_chars=False, normalization=None,
    )  # fmt: skip
    return ftfy.fix_text(text, config)


class Filter(Choice):
    """A judge of documents."""

    kinds: ClassVar[dict[str, type["Filter"]]]

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
        codes = np.frombuffer(stripped.encode("utf-32-le", "replace"), np.uint32)
        visible = np.count_nonzero(codes > 0x20)
        if np.count_nonzero(codes == 0xFFFD) > self.max_broken * visible:
            return "undecodable characters"
        lower = codes | 0x20
        # Beyond ASCII, letters are what is neither Latin-1's signs nor punctuation, symbols or private use.
        signs = ((codes >= 0x2000) & (codes < 0x2E80)) | ((codes >= 0x3000) & (codes < 0x3040)) | (codes == 0xFFFD)
        signs |= ((codes >= 0xE000) & (codes < 0xF900)) | (codes >= 0x1F000) & (codes < 0x20000)
        letters = ((lower >= 0x61) & (lower <= 0x7A) & (codes < 0x80)) | ((codes >= 0xC0) & ~signs)
        return "mostly no words" if np.count_nonzero(letters) < self.min_letters * visible else None
