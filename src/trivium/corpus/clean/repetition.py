"""Repetition: how much of a text says again what it has said, line by line and run by run (Rae et al. 2021, A.1).

It is given the words as numbers, and where each ends in a text without spaces; what a word is, it refuses to know.
"""

from functools import reduce
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator

from trivium.base.config import Config, Seq, as_tuple
from trivium.corpus.duplicates.shingle import joined, runs

Share = Annotated[tuple[int, float], BeforeValidator(as_tuple)]


class Repetition(Config):
    """How much of a text may say again what it has said: lines, paragraphs, the commonest run and all repeated runs."""

    max_lines: float = 0.3
    max_line_chars: float = 0.2
    max_paragraphs: float = 0.3
    max_paragraph_chars: float = 0.2
    commonest: Seq[Share] = ((2, 0.2), (3, 0.18), (4, 0.16))
    """Words in a run, and the share of the text that the commonest such run may make up."""
    repeated: Seq[Share] = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))
    """Words in a run, in rising order, and the share of the text that may stand in runs seen before."""


def commonest(rules: Repetition, step: int, ids: np.ndarray, ends: np.ndarray, often: np.ndarray) -> str | None:
    """Whether one run makes up too much of a text; `often` is how often each of its units stands there."""
    for words, share in rules.commonest:
        run = words * step
        if len(ids) <= run:
            continue
        # A run stands no more often than any of its units: mostly that is enough to know.
        most = reduce(np.minimum, (often[i : len(ids) - run + 1 + i] for i in range(run)))
        if (most * (ends[run:] - ends[:-run])).max() <= share * int(ends[-1]):
            continue
        _, first, counts = np.unique(runs(ids, run), return_index=True, return_counts=True)
        count = int(counts.max())
        at = int(first[counts == count].min())
        if count > 1 and (ends[at + run] - ends[at]) * count > share * int(ends[-1]):
            return f"one run of {words} words over and over"
    return None


def repeated(rules: Repetition, step: int, ids: np.ndarray, ends: np.ndarray) -> str | None:
    """Whether too much of a text stands in runs that stood before."""
    longest = max((words for words, _ in rules.repeated), default=0) * step
    least = min((share for _, share in rules.repeated), default=0.0) * int(ends[-1])
    places: np.ndarray | None = None
    for words, share in rules.repeated:
        run = words * step
        if len(ids) <= run:
            continue
        # A longer run can only stand twice where its beginning does.
        hashes = runs(ids, run) if places is None else _runs(ids, run, places := places[places <= len(ids) - run])
        places = np.arange(len(hashes)) if places is None else places
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
        # Longer runs stood before only where these did. If even the longest ones there are not too much, none are.
        if _covered(places[later], longest, ends) <= least:
            break
    return None


def _covered(places: np.ndarray, run: int, ends: np.ndarray) -> int:
    """How many characters the runs at these places have, in rising order; where they overlap, each counts once."""
    stops = np.minimum(places + run, np.append(places[1:], len(ends) - 1))
    return int((ends[stops] - ends[places]).sum())


def _runs(ids: np.ndarray, run: int, places: np.ndarray) -> np.ndarray:
    """A hash of the `run` ids at each of these places."""
    return joined((ids[places + i] for i in range(run)), len(places))
