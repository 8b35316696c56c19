"""Features of a text that the rules for crawled pages measure: words, lines, letters, each counted once.

A word is the run between two spaces. In a script without spaces, `letters_per_word` letters count as one word.
"""

import itertools
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trivium.corpus.clean.filter import letters
from trivium.corpus.clean.language import UNSPACED, guess
from trivium.corpus.duplicates.shingle import codepoints

_LETTER = re.compile(r"[^\W\d_]")


@dataclass
class Features:
    """The features of one text, each computed on first use."""

    text: str
    letters_per_word: int

    @cached_property
    def language(self) -> str:
        """The code of the language, guessed from the script."""
        return guess(self.text)

    @cached_property
    def step(self) -> int:
        """Units in a word: 1 where words have spaces between them."""
        return self.letters_per_word if self.language in UNSPACED else 1

    @cached_property
    def tokens(self) -> list[str]:
        """The runs between spaces."""
        return self.text.split()

    @cached_property
    def numbered(self) -> tuple[dict[str, int], np.ndarray]:
        """A number for each different word in order of appearance, and the numbers of all words."""
        known: defaultdict[str, int] = defaultdict(itertools.count().__next__)
        return known, np.fromiter(map(known.__getitem__, self.tokens), np.int64, len(self.tokens))

    @cached_property
    def often(self) -> np.ndarray:
        """How often each different word occurs."""
        return np.bincount(self.numbered[1])

    @cached_property
    def codes(self) -> np.ndarray:
        """The code points without white space."""
        return codepoints("".join(self.tokens))

    @cached_property
    def visible(self) -> int:
        """The number of characters without white space."""
        return sum(map(len, self.tokens))

    @cached_property
    def with_letter(self) -> float:
        """The share of words with a letter; of letters among the characters, where no spaces are written."""
        if self.step > 1:
            return self.words * self.step / self.visible
        known = self.numbered[0]
        lettered = np.fromiter((word.isalpha() or _lettered(word) for word in known), bool, len(known))
        return int(self.often[lettered].sum()) / self.words

    @cached_property
    def words(self) -> float:
        """The number of words."""
        return len(self.tokens) if self.step == 1 else int(np.count_nonzero(letters(self.codes))) / self.step

    def at_most(self, most: int) -> float:
        """Return the number of words, or any number above `most` if there are more: cheaper than `words`."""
        return len(self.text.split(None, most)) if self.step == 1 else self.words

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not blank, stripped."""
        return [line for line in map(str.strip, self.text.split("\n")) if line]

    @cached_property
    def repeated_lines(self) -> tuple[int, int]:
        """The number of lines that repeat an earlier one, and of the characters in them."""
        return repeats(self.lines)

    @cached_property
    def units(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For N words, or characters where no spaces are written: numbers (u64 [N]), ends [N + 1], frequencies [N].

        The ends are those of the units in characters, spaces left out; the first one is 0.
        """
        if self.step > 1:
            return self.codes.astype(np.uint64), np.arange(len(self.codes) + 1), np.bincount(self.codes)[self.codes]
        known, ids = self.numbered
        lengths = np.fromiter(map(len, known), np.int64, len(known))[ids]
        return ids.astype(np.uint64), np.concatenate([[0], np.cumsum(lengths)]), self.often[ids]


def repeats(parts: list[str]) -> tuple[int, int]:
    """Return how many of these texts repeat an earlier one, and how many characters they have."""
    once = set(parts)
    again = len(parts) - len(once)
    return again, sum(map(len, parts)) - sum(map(len, once)) if again else 0


def _lettered(word: str) -> bool:
    """Return whether a word has a letter. In ASCII, only letters have a case."""
    return word.lower().islower() if word.isascii() else _LETTER.search(word) is not None
