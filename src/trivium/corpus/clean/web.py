"""Web: the filter for crawled pages. Four sets of rules, each with its thresholds, each of which may be left out.

Quality and repetition are Gopher's (Rae et al. 2021, appendix A.1), the lines and sentences C4's (Raffel et al. 2020,
section 2.2; its rule of end marks is off, as in FineWeb), the lists and short lines FineWeb's (Penedo et al. 2024,
section 3.6). A word is what stands between spaces. Where a script writes none, `letters_per_word` letters stand for a
word: runs of words become runs of that many times more characters, and lines are shorter by as much.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import numpy as np
from pydantic import Field

from trivium.base.config import Config, Seq
from trivium.corpus.clean import sentences
from trivium.corpus.clean.filter import Filter, codepoints, letters
from trivium.corpus.clean.language import UNSPACED, guess
from trivium.corpus.clean.repetition import Repetition, commonest, repeated
from trivium.corpus.duplicates.shingle import WIDE

_MARK = re.compile(r"\[(?:\d{1,3}|edit|citation needed)\]")
_CITATION = re.compile(f" ?{_MARK.pattern}")
"""A mark with the space before it. Only `_MARK` begins with a sign that the engine can leap to, so it looks first."""
_BREAKS = re.compile("\n\n\n+")
_POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_ELLIPSIS = re.compile(r"\.{3,}|…+")
_LETTER = re.compile(r"[^\W\d_]")
END_MARKS = (*".!?…\"'”’»)", *"。！？；”’」』）》।॥؟۔።")
"""What a line that is a sentence may end with."""
_ENDS, _BULLETS = frozenset(END_MARKS), frozenset("•-*‣●")
_first, _last = itemgetter(0), itemgetter(-1)


class Quality(Config):
    """Whether a text is made of words, in the lengths and with the signs that prose has."""

    min_words: int = 50
    max_words: int = 100_000
    min_word_length: float = 3.0
    max_word_length: float = 10.0
    max_symbols: float = 0.1
    """Number signs, and ellipses, for each word."""
    max_bullets: float = 0.9
    max_ellipses: float = 0.3
    """Of lines."""
    min_alphabetic: float = 0.8
    """The share of words with a letter; of characters, where no spaces are written."""
    stop_words: Seq[str] = ("the", "be", "to", "of", "and", "that", "have", "with")
    min_stop_words: int = 2
    """How many of them any text in Latin letters has; 0 for other languages than English."""


class C4(Config):
    """Lines that no reader wants are taken away; what has too few sentences left, or holds code, is dropped."""

    min_line_words: int = 3
    max_word_length: int = 1000
    end_mark: bool = False
    """Whether a line must end with one of a sentence's marks."""
    script: bool = True
    """Take away lines that speak of JavaScript."""
    policy: bool = True
    """Take away lines of cookies and privacy policies."""
    citations: bool = True
    """Take away marks such as [3] and [citation needed]."""
    placeholder: bool = True
    """Drop what holds "lorem ipsum"."""
    brace: bool = True
    """Drop what holds a curly bracket."""
    min_sentences: int = 5


class FineWeb(Config):
    """Lists, menus and tables: few lines that end as sentences do, many short ones, many said twice."""

    min_end_marks: float = 0.12
    max_short_lines: float = 0.67
    short_line: int = 30
    max_repeated_chars: float = 0.01
    max_breaks: float = 0.3
    """Line ends for each word."""


class Web(Filter, kind="web"):
    """Drops what Gopher, C4 and FineWeb would: for crawled pages; most manuals and much code do not pass."""

    quality: Quality | None = Quality()
    repetition: Repetition | None = Repetition()
    c4: C4 | None = C4()
    fineweb: FineWeb | None = FineWeb()
    letters_per_word: int = Field(2, ge=1)

    def trim(self, text: str, counts: Counter[str]) -> str:
        if (rules := self.c4) is None:
            return text
        if rules.citations and _MARK.search(text):
            text, found = _CITATION.subn("", text)
            counts.update({"citation mark taken away": found} if found else {})
        lines = text.split("\n")
        for why, bad in self._offences(text, rules):
            kept = [line for line in lines if not line or not bad(line)]
            if taken := len(lines) - len(kept):
                counts[f"line taken away: {why}"] += taken
            lines = kept
        return _BREAKS.sub("\n\n", "\n".join(lines)).strip("\n")

    def _offences(self, text: str, rules: C4) -> Iterator[tuple[str, Callable[[str], bool]]]:
        """What a line of this text may be taken away for, and whether one is."""
        few, long, low = rules.min_line_words, rules.max_word_length, text.lower()
        spaced: Callable[[str], str] = str
        # As many words as are asked for are enough to know.
        words: Callable[[str], float] = lambda line: len(line.split(None, few))
        if not text.isascii() and WIDE.search(text):
            spaced = lambda line: WIDE.sub(" ", line)
            words = lambda line: len(spaced(line).split()) + len(WIDE.findall(line)) / self.letters_per_word
        yield f"fewer than {few} words", lambda line: words(line) < few
        # What stands nowhere in the text stands in none of its lines.
        if len(text) > long:
            yield (
                f"a word of over {long} characters",
                lambda line: len(line) > long and max(map(len, spaced(line).split()), default=0) > long,
            )
        if rules.end_mark:
            yield "no end mark", lambda line: not line.rstrip().endswith(END_MARKS)
        if rules.script and "javascript" in low:
            yield "JavaScript", lambda line: "javascript" in line.lower()
        if rules.policy and any(word in low for word in _POLICY):
            yield "a policy", lambda line: any(word in line.lower() for word in _POLICY)

    def reason(self, text: str) -> str | None:
        if not text.strip():
            return "empty"
        seen = _Seen(text, self.letters_per_word)
        if self.quality and (why := _quality(self.quality, seen)):
            return why
        if self.repetition and (why := _repetition(self.repetition, seen)):
            return why
        if self.c4 and (why := _c4(self.c4, seen)):
            return why
        return _fineweb(self.fineweb, seen) if self.fineweb else None


@dataclass
class _Seen:
    """What the rules count in one text, each thing once."""

    text: str
    letters_per_word: int

    @cached_property
    def language(self) -> str:
        return guess(self.text)

    @cached_property
    def step(self) -> int:
        """How many units stand for a word."""
        return self.letters_per_word if self.language in UNSPACED else 1

    @cached_property
    def tokens(self) -> list[str]:
        return self.text.split()

    @cached_property
    def numbered(self) -> tuple[dict[str, int], np.ndarray]:
        """A number for each different word, in the order of their first, and the numbers of all words."""
        known: defaultdict[str, int] = defaultdict(itertools.count().__next__)
        return known, np.fromiter(map(known.__getitem__, self.tokens), np.int64, len(self.tokens))

    @cached_property
    def often(self) -> np.ndarray:
        """How often each different word stands there: what is asked of words is asked once of each."""
        return np.bincount(self.numbered[1])

    @cached_property
    def codes(self) -> np.ndarray:
        return codepoints("".join(self.tokens))

    @cached_property
    def visible(self) -> int:
        """How many characters are no space."""
        return sum(map(len, self.tokens))

    @cached_property
    def with_letter(self) -> int:
        """How many words have a letter."""
        known = self.numbered[0]
        return int(
            self.often[np.fromiter((word.isalpha() or _lettered(word) for word in known), bool, len(known))].sum()
        )

    @cached_property
    def words(self) -> float:
        return len(self.tokens) if self.step == 1 else int(np.count_nonzero(letters(self.codes))) / self.step

    def at_most(self, most: int) -> float:
        """How many words there are; of more than `most`, some number above it, for which the rest need not be read."""
        return len(self.text.split(None, most)) if self.step == 1 else self.words

    @cached_property
    def lines(self) -> list[str]:
        return [line for line in map(str.strip, self.text.split("\n")) if line]

    @cached_property
    def repeated_lines(self) -> tuple[int, int]:
        """How many lines stood before, and how many characters they have."""
        return _again(self.lines)

    @cached_property
    def units(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A number for each word, or character where no spaces are written, its length, and how often it stands."""
        if self.step > 1:
            return self.codes.astype(np.uint64), np.ones(len(self.codes), np.int64), np.bincount(self.codes)[self.codes]
        known, ids = self.numbered
        return ids.astype(np.uint64), np.fromiter(map(len, known), np.int64, len(known))[ids], self.often[ids]


def _lettered(word: str) -> bool:
    """Whether a word has a letter. Of ASCII, only letters have a case."""
    return word.lower().islower() if word.isascii() else _LETTER.search(word) is not None


def _quality(rules: Quality, seen: _Seen) -> str | None:
    words, visible = seen.words, seen.visible
    if words < rules.min_words:
        return f"fewer than {rules.min_words} words"
    if words > rules.max_words:
        return f"more than {rules.max_words} words"
    if seen.step == 1 and not rules.min_word_length <= visible / words <= rules.max_word_length:
        return f"mean length of words not {rules.min_word_length:g} to {rules.max_word_length:g}"
    if seen.text.count("#") > rules.max_symbols * words:
        return "many number signs"
    # There are at most as many ellipses as this, and mostly none.
    ellipses = seen.text.count("...") + seen.text.count("…")
    if ellipses > rules.max_symbols * words and len(_ELLIPSIS.findall(seen.text)) > rules.max_symbols * words:
        return "many ellipses"
    count = len(seen.lines)
    if sum(map(_BULLETS.__contains__, map(_first, seen.lines))) > rules.max_bullets * count:
        return "nearly all lines with a bullet"
    most = rules.max_ellipses * count
    if ellipses > most and sum(line.endswith(("...", "…")) for line in seen.lines) > most:
        return "many lines that end with an ellipsis"
    with_letter = seen.with_letter / words if seen.step == 1 else words * seen.step / visible
    if with_letter < rules.min_alphabetic:
        return "many words without a letter"
    if seen.language == "en" and rules.min_stop_words:
        # Most texts have theirs as they are written here.
        found = seen.numbered[0].keys() & rules.stop_words
        if len(found) < rules.min_stop_words:
            found = {word.lower().strip(",.;:") for word in seen.numbered[0]}.intersection(rules.stop_words)
            if len(found) < rules.min_stop_words:
                return f"fewer than {rules.min_stop_words} of the stop words"
    return None


def _again(parts: list[str]) -> tuple[int, int]:
    """How many of these texts stood before, and how many characters they have."""
    once = set(parts)
    again = len(parts) - len(once)
    return again, sum(map(len, parts)) - sum(map(len, once)) if again else 0


def _repetition(rules: Repetition, seen: _Seen) -> str | None:
    size = len(seen.text)
    paragraphs = [part.strip("\n") for part in seen.text.split("\n\n") if part.strip()]
    for name, parts, (count, length), share, chars in (
        ("lines", seen.lines, seen.repeated_lines, rules.max_lines, rules.max_line_chars),
        ("paragraphs", paragraphs, _again(paragraphs), rules.max_paragraphs, rules.max_paragraph_chars),
    ):
        if count > share * len(parts) or length > chars * size:
            return f"repeated {name}"
    ids, lengths, often = seen.units
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return commonest(rules, seen.step, ids, ends, often) or repeated(rules, seen.step, ids, ends)


def _c4(rules: C4, seen: _Seen) -> str | None:
    if rules.placeholder and "lorem ipsum" in seen.text.lower():
        return "lorem ipsum"
    if rules.brace and ("{" in seen.text or "}" in seen.text):
        return "a curly bracket"
    if not sentences.enough(seen.text, seen.language, rules.min_sentences):
        return f"fewer than {rules.min_sentences} sentences"
    return None


def _fineweb(rules: FineWeb, seen: _Seen) -> str | None:
    count = len(seen.lines)
    if sum(map(_ENDS.__contains__, map(_last, seen.lines))) < rules.min_end_marks * count:
        return "few lines that end as a sentence does"
    sizes = [*map(len, seen.lines)]
    if sum(map((rules.short_line / seen.step).__ge__, sizes)) > rules.max_short_lines * count:
        return "mostly short lines"
    if seen.repeated_lines[1] > rules.max_repeated_chars * sum(sizes):
        return "lines that stood before"
    breaks = seen.text.count("\n")
    few = seen.at_most(int(breaks / max(rules.max_breaks, 1e-9)) + 1)
    return "many line ends" if breaks > rules.max_breaks * few else None
