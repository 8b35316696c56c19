"""MinHash signatures of many texts at once (Broder 1997), as one hash for each band.

A text is the set of its runs of words, or of letters where no spaces are written. Each of bands x rows hash functions
keeps its smallest value over the set, and the rows of a band make one number. numpy computes all texts of a batch
together, in blocks of runs that fit the cache.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from pydantic import Field

from trivium.base.config import Config
from trivium.corpus.clean.language import UNSPACED, guess
from trivium.corpus.duplicates.shingle import codepoints, mix

BATCH_CHARS = 1 << 20
"""Characters in a batch."""
BLOCK, GROUP = 1 << 14, 8
"""Runs and hash functions that are multiplied at a time: their products fit the second cache."""
_ODD = 0x9E3779B97F4A7C15


class Near(Config):
    """The signatures that find near duplicates: bands x rows hashes over runs of `run` words."""

    bands: int = Field(14, ge=1, le=1000)
    rows: int = Field(8, ge=1, le=1000)
    run: int = Field(5, ge=1)


def signatures(texts: Sequence[str], near: Near) -> tuple[np.ndarray, np.ndarray]:
    """Return the bands (u64 [N, bands]) of N normal texts, and which of them have any words (bool [N])."""
    table = np.zeros((len(texts), near.bands), np.uint64)
    known = np.zeros(len(texts), bool)
    groups: tuple[list[int], list[int], list[int]] = ([], [], [])
    for number, text in enumerate(texts):
        groups[0 if text.isascii() else 2 if guess(text) in UNSPACED else 1].append(number)
    for kind, group in enumerate(groups):
        if group:
            units, counts = _units([texts[number] for number in group], letters=kind == 2)
            rows, there = _minima(units, counts, near)
            table[group], known[group] = _join(rows, near), there
    return table, known


@cache
def _word_characters() -> np.ndarray:
    """Return for each code point whether it belongs to a word, as `\\w` does."""
    table = np.char.isalnum(np.arange(0x110000, dtype=np.uint32).view("<U1"))
    table[ord("_")] = True
    return table


@cache
def _powers(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the powers of an odd number modulo 2**64, and those of its inverse."""
    inverse = pow(_ODD, -1, 1 << 64)
    base = np.full((2, size), [[_ODD], [inverse]], np.uint64)
    base[:, 0] = 1
    powers = np.multiply.accumulate(base, axis=1)
    return powers[0], powers[1]


def _units(texts: Sequence[str], letters: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return a number (u64) for each word, or letter, of all texts in order; and how many each text has [N]."""
    codes = codepoints(" ".join(texts))
    inside = _word_characters()[codes]
    ends = np.cumsum([len(text) + 1 for text in texts]) - 1
    if letters:
        counts = np.diff(np.concatenate([[0], np.cumsum(inside)])[ends], prepend=0)
        return codes[inside].astype(np.uint64), counts
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2]
    counts = np.diff(np.searchsorted(starts, ends), prepend=0)
    if not len(starts):
        return np.empty(0, np.uint64), counts
    # A word is a polynomial in its characters; the space behind it adds nothing.
    up, down = _powers(1 << (len(codes) - 1).bit_length())
    terms = codes + np.uint64(0x51)
    terms *= up[: len(codes)]
    terms *= inside
    return mix(np.add.reduceat(terms, starts) * down[starts] + (stops - starts).astype(np.uint64)), counts


def _minima(units: np.ndarray, counts: np.ndarray, near: Near) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest value (u32 [N, functions]) over the runs of each text, and which texts have any run [N]."""
    hashes, lengths = _run_hashes(units, counts, near)
    some = np.flatnonzero(lengths)
    begin = np.concatenate([[0], np.cumsum(lengths)])[some]
    a, b = (column[:, None] for column in _functions(near.bands * near.rows))
    least = np.full((len(a), len(some)), np.iinfo(np.uint32).max, np.uint32)
    product = np.empty((GROUP, BLOCK), np.uint32)
    for at in range(0, len(hashes), BLOCK):
        block = hashes[at : at + BLOCK]
        span = slice(np.searchsorted(begin, at, side="right") - 1, np.searchsorted(begin, at + len(block)))
        inner = np.maximum(begin[span] - at, 0)
        for i in range(0, len(a), GROUP):
            group = slice(i, i + GROUP)
            value = product[: len(a[group]), : len(block)]
            np.multiply(block, a[group], out=value)
            np.add(value, b[group], out=value)
            least[group, span] = np.minimum(least[group, span], np.minimum.reduceat(value, inner, axis=1))
    found = np.zeros((len(counts), len(a)), np.uint32)
    found[some] = least.T
    return found, lengths > 0


def _run_hashes(units: np.ndarray, counts: np.ndarray, near: Near) -> tuple[np.ndarray, np.ndarray]:
    """Return a hash (u32) of every run of every text in order, and how many runs each text has [N]."""
    first = np.concatenate([[0], np.cumsum(counts)])
    lengths = np.where(counts > 0, np.maximum(counts - near.run + 1, 1), 0)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    padded = np.concatenate([units, np.zeros(near.run, np.uint64)])
    places = np.repeat(first[:-1] - starts[:-1], lengths) + np.arange(starts[-1])
    factors = _powers(1 << near.run.bit_length())[0][1 : near.run + 1]
    whole = np.zeros(len(units) + 1, np.uint64)
    for at in range(near.run):
        whole[: len(units)] += padded[at : at + len(units)] * factors[at]
    values = whole[places]
    # A text of fewer units than `run` is one run, padded with zeros.
    for text in np.flatnonzero((counts > 0) & (counts < near.run)).tolist():
        here = units[first[text] : first[text + 1]]
        values[starts[text]] = (here * factors[: len(here)]).sum()
    return (mix(values) >> np.uint64(32)).astype(np.uint32), lengths


@cache
def _functions(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the odd factors and the summands of the hash functions; they must never change."""
    draw = np.random.Generator(np.random.Philox(1)).integers(1, 1 << 32, (2, count), dtype=np.uint32)
    return draw[0] | np.uint32(1), draw[1]


def _join(rows: np.ndarray, near: Near) -> np.ndarray:
    """Join the rows of each band into one number."""
    bands = np.zeros((len(rows), near.bands), np.uint64)
    for column in rows.reshape(len(rows), near.bands, near.rows).transpose(2, 0, 1):
        bands = mix(bands + column)
    return bands
