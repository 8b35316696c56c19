"""Cleaning: repair the text of one document.

`clean` repairs mojibake, Unicode composition, control characters, line ends and needless space, and removes the
boilerplate of publishers. Repairs are counted by reason. Whether a text is worth keeping is the question of a `Filter`.
"""

import re
import unicodedata
from collections import Counter

from pydantic import Field

from trivium.base.config import Config
from trivium.corpus.clean.boilerplate import drop_front_matter, drop_repeats, unwrap_book


class Cleaning(Config):
    """The repairs that `clean` makes."""

    mojibake: bool = True
    compose: bool = True
    blank_lines: int = Field(2, ge=0)
    books: bool = True
    """Remove the header and the licence of Project Gutenberg books."""
    front_matter: bool = True
    """Remove the metadata at the start of pages of site generators."""
    most_repeats: int | None = Field(3, ge=1)
    """A longer run of equal lines is cut to one line; None keeps all."""


# Letters that the first and the further bytes of UTF-8 become when they are read as Latin-1 or Windows-1252, and C1
# controls. Only lines with these go to ftfy, which is 20 times slower.
_LEADS = "ÂÃÄÅÆÇÐÑØâãäåæçèéïðÎÏ"
_SUSPECT = re.compile(f"[{_LEADS}][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|[\u0080-\u009f]")
_CAPITAL = re.compile("(?<=(?<![a-zß-öø-ÿ])[ÂÃÄÅÆÇÐÑØÎÏ])(?=[”’»›“‘«‹…–—](?!\\w))")
"""Between the last letter of a word in capitals and a mark of punctuation: clean text, or one letter read as two."""
_BREAKS = "\r\x0b\x0c\x85\u2028\u2029"
_BREAK = re.compile(f"\r\n?|[{_BREAKS[1:]}]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")


def clean(text: str, cleaning: Cleaning | None = None, counts: Counter[str] | None = None) -> str:
    """Return the repaired text; a second call changes nothing. `counts` takes the repairs by reason."""
    cleaning, counts = cleaning or Cleaning(), Counter() if counts is None else counts
    plain, controls = text.isascii(), _CONTROL.search(text)
    # Searching for each letter is faster than for all of them at once.
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
    """Return the text afterwards, and count a change."""
    if after is not before and after != before:
        counts[what] += 1
    return after


def _mend(text: str) -> str:
    """Return a line without mojibake."""
    if text.isascii() or not _SUSPECT.search(text):
        return text
    import ftfy
    from ftfy.badness import is_bad

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
    while is_bad(text) and (read := _reread(text)) is not None:
        text = read
    return "".join(ftfy.fix_text(part, config) for part in _CAPITAL.split(text))


def _reread(text: str) -> str | None:
    """Return a line that as a whole is UTF-8 read as Windows-1252; the codec of `ftfy` takes undefined bytes too."""
    try:
        read = text.encode("sloppy-windows-1252").decode("utf-8")
    except UnicodeError:
        return None
    return read if read != text else None
