"""Contamination: which documents hold text that a model will be tested on.

A document goes when `least` of its runs of `run` words occur in an evaluation text (Brown et al. 2020, appendix C, with
13 words). Letters of scripts without spaces count as words. Case, spacing and punctuation make no difference.

Memory: 8 bytes for each word of the evaluation texts, and as much again while they are read.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from trivium.base.config import Config, Seq
from trivium.base.errors import DataError
from trivium.corpus.duplicates.shingle import WIDE, grow, mix, normal, runs, words
from trivium.corpus.read.reading import TABLES, Counts, Reading, kind, not_read
from trivium.corpus.read.records import rows
from trivium.corpus.read.sources import files, read
from trivium.corpus.read.text import TextFile


class Contamination(Config):
    """The evaluation files, and the overlap with them that drops a document."""

    against: Seq[str] = ()
    run: int = Field(13, ge=2)
    least: int = Field(1, ge=1)
    """The number of different runs that must be shared."""
    shortest: int = Field(8, ge=2)
    """Evaluation texts of fewer words are skipped (two letters without spaces count as one word); those of fewer than
    `run` words are looked for as a whole."""


class Known:
    """The hashes of the runs of all evaluation texts."""

    def __init__(self, texts: Iterable[str], contamination: Contamination) -> None:
        self.contamination = contamination
        self.texts = self.short = 0
        found: dict[int, list[np.ndarray]] = {}
        for text in texts:
            units = words(normal(text))
            if len(units) - len(WIDE.findall(text)) // 2 < contamination.shortest:
                self.short += 1
                continue
            self.texts += 1
            found.setdefault(min(len(units), contamination.run), []).append(runs(units, contamination.run))
        self._hashes = {run: np.unique(np.concatenate(hashes)) for run, hashes in found.items()}

    def shared(self, text: str) -> int:
        """Return how many different runs a text shares with the evaluation texts."""
        units = words(normal(text))
        hashes = np.zeros(len(units), np.uint64)
        count = 0
        for i in range(min(self.contamination.run, len(units))):
            hashes = hashes[: len(units) - i]
            grow(hashes, units[i:])  # as in `runs`, for each length up to the longest
            if (known := self._hashes.get(i + 1)) is not None:
                here = mix(hashes)
                at = np.minimum(np.searchsorted(known, here), len(known) - 1)
                count += len(np.unique(here[known[at] == here]))
        return count


def evaluation(sources: Sequence[str], reading: Reading, counts: Counts) -> Iterator[str]:
    """Yield every text of evaluation files: whole files of text, and each string in a row, at any depth."""
    passed: list[Path] = []
    found = files(sources, reading, passed)
    counts.update(not_read(passed))
    for path, _ in found:
        if kind(path, reading.as_text) in TABLES:
            for _, row in rows(TextFile(path, reading, counts)):
                yield from _strings(row)
        else:
            yield from (document.text for document in read([path], reading, counts))


def load(contamination: Contamination, reading: Reading, counts: Counts) -> Known:
    """Read the evaluation files; a DataError if all their texts are shorter than `shortest`."""
    known = Known(evaluation(contamination.against, reading, counts), contamination)
    if not known.texts:
        raise DataError(
            f"{', '.join(contamination.against)}: expected evaluation texts of {contamination.shortest} words or more, "
            f"found {known.short} shorter ones; lower contamination.shortest"
        )
    return known


def _strings(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list | tuple):
            stack += reversed(list(value.values() if isinstance(value, dict) else value))
