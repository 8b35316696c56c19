"""Repetition: how much of a text repeats itself, by lines, paragraphs and runs of words (Rae et al. 2021, A.1)."""

from functools import reduce
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from trivium.base.config import Config, Seq, as_tuple
from trivium.corpus.clean.features import Features, repeats
from trivium.corpus.duplicates.shingle import joined, runs

Share = Annotated[tuple[int, float], BeforeValidator(as_tuple)]


class Repetition(Config):
    """The most repetition that a text may have: lines, paragraphs, the commonest run and all repeated runs."""

    max_lines: float = Field(0.3, ge=0, le=1)
    max_line_chars: float = Field(0.2, ge=0, le=1)
    max_paragraphs: float = Field(0.3, ge=0, le=1)
    max_paragraph_chars: float = Field(0.2, ge=0, le=1)
    commonest: Seq[Share] = ((2, 0.2), (3, 0.18), (4, 0.16))
    """Words in a run, and the largest share of the text that the commonest such run may take."""
    repeated: Seq[Share] = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))
    """Words in a run, in rising order, and the largest share of the text in runs that occurred before."""

    def reason(self, text: Features) -> str | None:
        """Say why a text should be dropped, or None."""
        paragraphs = [part.strip("\n") for part in text.text.split("\n\n") if part.strip()]
        for name, parts, (count, length), share, chars in (
            ("lines", text.lines, text.repeated_lines, self.max_lines, self.max_line_chars),
            ("paragraphs", paragraphs, repeats(paragraphs), self.max_paragraphs, self.max_paragraph_chars),
        ):
            if count > share * len(parts) or length > chars * len(text.text):
                return f"repeated {name}"
        return commonest(self, text) or repeated(self, text)


def commonest(rules: Repetition, text: Features) -> str | None:
    """Say whether one run takes too much of a text."""
    ids, ends, often = text.units
    for words, share in rules.commonest:
        run = words * text.step
        if len(ids) <= run:
            continue
        # A run is at most as frequent as any of its units: mostly this bound is enough.
        most = reduce(np.minimum, (often[i : len(ids) - run + 1 + i] for i in range(run)))
        if (most * (ends[run:] - ends[:-run])).max() <= share * int(ends[-1]):
            continue
        _, first, counts = np.unique(runs(ids, run), return_index=True, return_counts=True)
        count = int(counts.max())
        at = int(first[counts == count].min())
        if count > 1 and (ends[at + run] - ends[at]) * count > share * int(ends[-1]):
            return f"one run of {words} words over and over"
    return None


def repeated(rules: Repetition, text: Features) -> str | None:
    """Say whether too much of a text is in runs that occurred before."""
    ids, ends, _ = text.units
    longest = max((words for words, _ in rules.repeated), default=0) * text.step
    least = min((share for _, share in rules.repeated), default=0.0) * int(ends[-1])
    places: np.ndarray | None = None
    for words, share in rules.repeated:
        run = words * text.step
        if len(ids) <= run:
            continue
        # A longer run can occur twice only where its beginning does.
        places = np.arange(len(ids) - run + 1) if places is None else places[places <= len(ids) - run]
        hashes = joined((ids[places + i] for i in range(run)), len(places))
        order = np.argsort(hashes)
        same = np.flatnonzero(np.diff(hashes[order]) == 0)
        if not len(same):
            break
        twice = np.zeros(len(places), bool)
        twice[order[same]] = twice[order[same + 1]] = True
        places, hashes = places[twice], hashes[twice]
        later = np.ones(len(places), bool)
        later[np.unique(hashes, return_index=True)[1]] = False
        if _covered(places[later], run, ends) > share * int(ends[-1]):
            return f"repeated runs of {words} words"
        # Longer runs repeat only where these do: if even the longest would cover too little, none covers enough.
        if _covered(places[later], longest, ends) <= least:
            break
    return None


def _covered(places: np.ndarray, run: int, ends: np.ndarray) -> int:
    """Return how many characters the runs at these rising places cover; overlaps count once."""
    stops = np.minimum(places + run, np.append(places[1:], len(ends) - 1))
    return int((ends[stops] - ends[places]).sum())
