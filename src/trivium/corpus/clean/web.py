"""Web: the filter for crawled pages. Four sets of rules, each with its thresholds, each of which may be left out.

Quality and repetition are Gopher's (Rae et al. 2021, appendix A.1); lines and sentences are C4's (Raffel et al. 2020,
section 2.2; its rule of end marks is off, as in FineWeb); lists and short lines are FineWeb's (Penedo et al. 2024,
section 3.6). In a script without spaces, thresholds in words are scaled by `letters_per_word`: see `features`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from operator import itemgetter

from pydantic import Field

from trivium.base.config import Config, Seq
from trivium.corpus.clean import sentences
from trivium.corpus.clean.features import Features
from trivium.corpus.clean.filter import Filter
from trivium.corpus.clean.repetition import Repetition
from trivium.corpus.duplicates.shingle import WIDE

_MARK = re.compile(r"\[(?:\d{1,3}|edit|citation needed)\]")
_CITATION = re.compile(f" ?{_MARK.pattern}")
"""A mark with the space before it. `_MARK` searches faster, because it begins with one literal character."""
_BREAKS = re.compile("\n\n\n+")
_POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_ELLIPSIS = re.compile(r"\.{3,}|…+")
END_MARKS = (*".!?…\"'”’»)", *"。！？；”’」』）》।॥؟۔።")
"""The characters that may end a line that is a sentence."""
_ENDS, _BULLETS = frozenset(END_MARKS), frozenset("•-*‣●")
_first, _last = itemgetter(0), itemgetter(-1)


class Quality(Config):
    """Whether a text is made of words, with the lengths and signs of prose."""

    min_words: int = Field(50, ge=0)
    max_words: int = Field(100_000, ge=0)
    min_word_length: float = Field(3.0, ge=0)
    max_word_length: float = Field(10.0, ge=0)
    max_symbols: float = Field(0.1, ge=0)
    """Number signs, and ellipses, per word."""
    max_bullets: float = Field(0.9, ge=0, le=1)
    max_ellipses: float = Field(0.3, ge=0, le=1)
    """Shares of lines."""
    min_alphabetic: float = Field(0.8, ge=0, le=1)
    """The share of words with a letter; of characters, where no spaces are written."""
    stop_words: Seq[str] = ("the", "be", "to", "of", "and", "that", "have", "with")
    min_stop_words: int = Field(2, ge=0)
    """Different stop words that a text in Latin letters must have; 0 for other languages than English."""

    def reason(self, text: Features) -> str | None:
        """Say why a text should be dropped, or None."""
        words, count = text.words, len(text.lines)
        if words < self.min_words:
            return f"fewer than {self.min_words} words"
        if words > self.max_words:
            return f"more than {self.max_words} words"
        if text.step == 1 and not self.min_word_length <= text.visible / words <= self.max_word_length:
            return f"mean length of words not {self.min_word_length:g} to {self.max_word_length:g}"
        if text.text.count("#") > self.max_symbols * words:
            return "many number signs"
        # The number of ellipses is at most this, and mostly 0.
        ellipses = text.text.count("...") + text.text.count("…")
        if ellipses > self.max_symbols * words and len(_ELLIPSIS.findall(text.text)) > self.max_symbols * words:
            return "many ellipses"
        if sum(map(_BULLETS.__contains__, map(_first, text.lines))) > self.max_bullets * count:
            return "nearly all lines with a bullet"
        most = self.max_ellipses * count
        if ellipses > most and sum(line.endswith(("...", "…")) for line in text.lines) > most:
            return "many lines that end with an ellipsis"
        if text.with_letter < self.min_alphabetic:
            return "many words without a letter"
        if text.language == "en" and self.min_stop_words and not self._enough_stop_words(text.numbered[0]):
            return f"fewer than {self.min_stop_words} of the stop words"
        return None

    def _enough_stop_words(self, words: dict[str, int]) -> bool:
        """Most texts have enough stop words as written; the others are searched without case and punctuation."""
        if len(words.keys() & self.stop_words) >= self.min_stop_words:
            return True
        plain = {word.lower().strip(",.;:") for word in words}
        return len(plain.intersection(self.stop_words)) >= self.min_stop_words


class C4(Config):
    """Lines that are no content are removed; a text with code, or with too few sentences left, is dropped."""

    min_line_words: int = Field(3, ge=0)
    max_word_length: int = Field(1000, ge=0)
    end_mark: bool = False
    """Whether a line must end with a sentence mark."""
    script: bool = True
    """Remove lines about JavaScript."""
    policy: bool = True
    """Remove lines about cookies and privacy policies."""
    citations: bool = True
    """Remove marks such as [3] and [citation needed]."""
    placeholder: bool = True
    """Drop a text with "lorem ipsum"."""
    brace: bool = True
    """Drop a text with a curly bracket."""
    min_sentences: int = Field(5, ge=0)

    def reason(self, text: Features) -> str | None:
        """Say why a text should be dropped, or None."""
        if self.placeholder and "lorem ipsum" in text.text.lower():
            return "lorem ipsum"
        if self.brace and ("{" in text.text or "}" in text.text):
            return "a curly bracket"
        if not sentences.enough(text.text, text.language, self.min_sentences):
            return f"fewer than {self.min_sentences} sentences"
        return None

    def trim(self, text: str, letters_per_word: int, counts: Counter[str]) -> str:
        """Return the text without lines and marks that are no content; `counts` takes what was removed."""
        if self.citations and _MARK.search(text):
            text, found = _CITATION.subn("", text)
            counts.update({"citation mark taken away": found} if found else {})
        lines = text.split("\n")
        for why, bad in self._rules(text, letters_per_word):
            kept = [line for line in lines if not line or not bad(line)]
            if taken := len(lines) - len(kept):
                counts[f"line taken away: {why}"] += taken
            lines = kept
        return _BREAKS.sub("\n\n", "\n".join(lines)).strip("\n")

    def _rules(self, text: str, letters_per_word: int) -> Iterator[tuple[str, Callable[[str], bool]]]:
        """Yield (reason, test of a line) for the rules that can apply to any line of this text."""
        few, long, low = self.min_line_words, self.max_word_length, text.lower()
        spaced: Callable[[str], str] = str
        # Splitting off as many words as are required is enough.
        words: Callable[[str], float] = lambda line: len(line.split(None, few))
        if not text.isascii() and WIDE.search(text):
            spaced = lambda line: WIDE.sub(" ", line)
            words = lambda line: len(spaced(line).split()) + len(WIDE.findall(line)) / letters_per_word
        yield f"fewer than {few} words", lambda line: words(line) < few
        if len(text) > long:
            yield (
                f"a word of over {long} characters",
                lambda line: len(line) > long and max(map(len, spaced(line).split()), default=0) > long,
            )
        if self.end_mark:
            yield "no end mark", lambda line: not line.rstrip().endswith(END_MARKS)
        if self.script and "javascript" in low:
            yield "JavaScript", lambda line: "javascript" in line.lower()
        if self.policy and any(word in low for word in _POLICY):
            yield "a policy", lambda line: any(word in line.lower() for word in _POLICY)


class FineWeb(Config):
    """Lists, menus and tables: few lines that end as sentences do, many short lines, many repeated lines."""

    min_end_marks: float = Field(0.12, ge=0, le=1)
    max_short_lines: float = Field(0.67, ge=0, le=1)
    short_line: int = Field(30, ge=0)
    max_repeated_chars: float = Field(0.01, ge=0, le=1)
    max_breaks: float = Field(0.3, ge=0)
    """Line ends per word."""

    def reason(self, text: Features) -> str | None:
        """Say why a text should be dropped, or None."""
        count, sizes = len(text.lines), [*map(len, text.lines)]
        if sum(map(_ENDS.__contains__, map(_last, text.lines))) < self.min_end_marks * count:
            return "few lines that end as a sentence does"
        if sum(map((self.short_line / text.step).__ge__, sizes)) > self.max_short_lines * count:
            return "mostly short lines"
        if text.repeated_lines[1] > self.max_repeated_chars * sum(sizes):
            return "lines that stood before"
        breaks = text.text.count("\n")
        few = text.at_most(int(breaks / max(self.max_breaks, 1e-9)) + 1)
        return "many line ends" if breaks > self.max_breaks * few else None


class Web(Filter, kind="web"):
    """Drop what Gopher, C4 and FineWeb would drop: for crawled pages; most manuals and much code do not pass."""

    quality: Quality | None = Quality()
    repetition: Repetition | None = Repetition()
    c4: C4 | None = C4()
    fineweb: FineWeb | None = FineWeb()
    letters_per_word: int = Field(2, ge=1)

    def trim(self, text: str, counts: Counter[str]) -> str:
        return self.c4.trim(text, self.letters_per_word, counts) if self.c4 else text

    def reason(self, text: str) -> str | None:
        if not text.strip():
            return "empty"
        features = Features(text, self.letters_per_word)
        for rules in (self.quality, self.repetition, self.c4, self.fineweb):
            if rules and (why := rules.reason(features)):
                return why
        return None
