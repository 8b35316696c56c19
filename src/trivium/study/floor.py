"""Floors that a language model must beat: n-gram models and a compressor, on the same documents.

The n-grams are interpolated Kneser-Ney models (Ney, Essen and Kneser 1994; Chen and Goodman 1999), counted by
sorting packed integers. They score the targets of a causal model: every token but the first of a document, and no
context reaches into another document.
"""

import lzma
import math
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trivium.base.errors import DataError

XZ_TRAIN_BYTES = 16_000_000
"""The bytes of training text, from its end, that the compressor sees: a core packs about 2 MB per second."""


class FloorScore(NamedTuple):
    """The score of held-out documents."""

    mean: float
    """Nats per target."""
    total: float
    """Nats in all."""
    targets: int
    content: float
    """Nats in all without those of special tokens, which bits per byte do not count."""


@dataclass(frozen=True, slots=True)
class Level:
    """The n-grams of one length, sorted, with their counts; and the sums over each context."""

    keys: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray
    discount: float


class Ngram:
    """An interpolated Kneser-Ney model of one order; order 1 is the unigram model, discounted towards uniform.

    An n-gram is one u64 number in base `vocab_size + 1`: the word is the last digit, the token before it the next one,
    and so on; the extra digit means "before the document".
    """

    def __init__(self, documents: Sequence[np.ndarray], vocab_size: int, order: int) -> None:
        """Count the n-grams of the documents."""
        self.base, self.order = vocab_size + 1, order
        assert order >= 1 and self.base**order < 2**64, f"{order}-grams over {vocab_size} ids do not fit 64 bits"
        keys, counts = np.unique(self.grams(documents), return_counts=True)
        levels = [self._level(keys, counts)]
        for length in range(order - 1, 0, -1):
            # Below the highest order, an n-gram counts once for every different token before it.
            keys, counts = np.unique(keys % np.uint64(self.base**length), return_counts=True)
            levels.append(self._level(keys, counts))
        self.levels = levels[::-1]

    def grams(self, documents: Sequence[np.ndarray]) -> np.ndarray:
        """Return one packed n-gram (u64 [N]) for every target of the documents."""
        lengths = np.array([len(document) for document in documents], dtype=np.int64)
        ids = np.concatenate([np.zeros(0, dtype=np.int64), *documents]).astype(np.uint64)
        assert not len(ids) or int(ids.max()) < self.base - 1, "an id does not fit the vocabulary"
        place = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        keys = ids.copy()
        for back in range(1, self.order):
            before = np.where(place >= back, np.roll(ids, back), np.uint64(self.base - 1))
            keys += before * np.uint64(self.base**back)
        return keys[place > 0]

    def probability(self, grams: np.ndarray) -> np.ndarray:
        """Return the probability [N] of the word of each n-gram after its context; they sum to 1 over the words."""
        result = np.full(len(grams), 1.0 / (self.base - 1))
        for length, level in enumerate(self.levels, start=1):
            keys = grams % np.uint64(self.base**length)
            count = _find(level.keys, keys, level.counts)
            context = keys // np.uint64(self.base)
            total = _find(level.contexts, context, level.totals)
            kinds = _find(level.contexts, context, level.kinds)
            mixed = np.maximum(count - level.discount, 0) + level.discount * kinds * result
            result = np.where(total > 0, mixed / np.maximum(total, 1), result)
        return result

    def _level(self, keys: np.ndarray, counts: np.ndarray) -> Level:
        prefix = keys // np.uint64(self.base)
        first = np.flatnonzero(np.diff(prefix, prepend=prefix[:1] + np.uint64(1)))
        totals = np.add.reduceat(counts, first) if len(keys) else counts
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        # The usual estimate n1 / (n1 + 2 n2), smoothed to stay inside (0, 1) for a small text.
        discount = (once + 0.5) / (once + 2 * twice + 1)
        return Level(keys, counts, prefix[first], totals, np.diff(first, append=len(keys)), discount)


def ngram(
    train: Sequence[np.ndarray], valid: Sequence[np.ndarray], vocab_size: int, order: int, special: Collection[int] = ()
) -> FloorScore:
    """Score validation documents with an n-gram model of the training documents, in nats.

    A document is its ids as the language model reads them, BOS and EOS included. Raises DataError without any target.
    """
    model = Ngram(train, vocab_size, order)
    grams = model.grams(valid)
    if not len(grams):
        raise DataError("no validation document has two tokens: there is nothing to score")
    nats = -np.log(model.probability(grams))
    words = (grams % np.uint64(model.base)).astype(np.int64)
    content = float(nats[~np.isin(words, list(special))].sum())
    return FloorScore(float(nats.sum()) / len(grams), float(nats.sum()), len(grams), content)


def bits_per_byte(total_nats: float, n_bytes: int) -> float:
    """Return the bits per byte of UTF-8 for the nats of a text."""
    return total_nats / math.log(2) / n_bytes


def xz(train: bytes, valid: bytes) -> float:
    """Return the bits per byte of `valid` for xz after `train`: (size(train + valid) - size(train)) per byte.

    Preset 6 with a dictionary for all of both, which takes about twelve times their memory in each of two threads. Only
    the last `XZ_TRAIN_BYTES` of `train` are used. An empty `valid` is a DataError.
    """
    if not valid:
        raise DataError("the validation text is empty: there is nothing to compress")
    train = train[-XZ_TRAIN_BYTES:]
    size = max(1 << 16, len(train) + len(valid))
    chain = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": size}]

    def packed(text: bytes) -> int:
        return len(lzma.compress(text, format=lzma.FORMAT_XZ, filters=chain))

    with ThreadPoolExecutor(2) as pool:  # lzma releases the interpreter lock
        before, both = pool.map(packed, (train, train + valid))
    return (both - before) * 8 / len(valid)


def _find(table: np.ndarray, wanted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the value of each wanted key in a sorted table, 0 where it is missing."""
    if not len(table):
        return np.zeros(len(wanted), dtype=np.int64)
    place = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return np.where(table[place] == wanted, values[place], 0)
