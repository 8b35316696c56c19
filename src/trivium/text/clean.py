"""Cleaning: what one document's text looks like afterwards.

`clean` mends: mojibake, Unicode composition, control characters, line ends, needless space. It refuses to judge
whether a text is worth keeping: that is a `Filter`.
"""

import re
import unicodedata

from trivium.base.config import Config


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
