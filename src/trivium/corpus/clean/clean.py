"""Cleaning: what one document's text looks like afterwards.

`clean` mends: mojibake, Unicode composition, control characters, line ends, needless space, and takes away what a
publisher put around the text. What it did is counted by reason. It refuses to judge whether a text is worth keeping:
that is a `Filter`.
"""

import re
import unicodedata
from collections import Counter

from trivium.base.config import Config
from trivium.corpus.clean.boilerplate import drop_front_matter, drop_repeats, unwrap_book


class Cleaning(Config):
    """What `clean` may mend."""

    mojibake: bool = True
    compose: bool = True
    blank_lines: int = 2
    books: bool = True
    """Take away the header and the licence of Project Gutenberg's books."""
    front_matter: bool = True
    """Take away the metadata that pages of site generators begin with."""
    most_repeats: int | None = 3
    """Of more equal lines in a row than these one is kept; None keeps them all."""


# A letter that the first byte of a UTF-8 sequence turns into when read as Latin-1 or Windows-1252, and one that a
# further byte turns into; or a C1 control, which no text wants. Only lines with these are shown to ftfy (20 x slower).
_LEADS = "ÂÃÄÅÆÇÐÑØâãäåæçèéïðÎÏ"
_SUSPECT = re.compile(f"[{_LEADS}][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|[\u0080-\u009f]")
_BREAKS = "\r\x0b\x0c\x85\u2028\u2029"
_BREAK = re.compile(f"\r\n?|[{_BREAKS[1:]}]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")


def clean(text: str, cleaning: Cleaning | None = None, counts: Counter[str] | None = None) -> str:
    """Mend a text: one call is enough, a second changes nothing. `counts` takes how often something was mended."""
    cleaning, counts = cleaning or Cleaning(), Counter() if counts is None else counts
    plain, controls = text.isascii(), _CONTROL.search(text)
    # Looking for each letter is faster than for all of them at once.
    if cleaning.mojibake and not plain and (controls or any(lead in text for lead in _LEADS)) and _SUSPECT.search(text):
        text = _counted("mojibake mended", text, "\n".join(map(_mend, text.split("\n"))), counts)
        controls = _CONTROL.search(text)
    if any(mark in text for mark in _BREAKS):
        text = _BREAK.sub("\n", text)
    if controls:
        text = _counted("control characters removed", text, _CONTROL.sub("", text), counts)
    if cleaning.compose and not plain:
        text = _counted("composed (NFC)", text, unicodedata.normalize("NFC", text), counts)
    lines = [line.rstrip() for line in text.split("\n")]
    if cleaning.most_repeats is not None:
        kept = drop_repeats(lines, cleaning.most_repeats)
        counts.update({"repeated line taken away": len(lines) - len(kept)} if len(kept) < len(lines) else {})
        lines = kept
    text, keep = "\n".join(lines).strip("\n"), "\n" * (cleaning.blank_lines + 1)
    if cleaning.books:
        text = _counted("Project Gutenberg licence taken away", text, unwrap_book(text), counts)
    if cleaning.front_matter:
        text = _counted("front matter taken away", text, drop_front_matter(text), counts)
    return re.sub(keep + "\n+", keep, text) if keep + "\n" in text else text


def _counted(what: str, before: str, after: str, counts: Counter[str]) -> str:
    """The text afterwards; a change is counted."""
    if after is not before and after != before:
        counts[what] += 1
    return after


def _mend(text: str) -> str:
    """A line without mojibake."""
    if text.isascii() or not _SUSPECT.search(text):
        return text
    import ftfy

    config = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
    )
    return ftfy.fix_text(text, config)
