"""The floors are true probability models, and what they say is what a person computes by hand."""

import inspect
import itertools
import lzma
import math
import textwrap

import numpy as np
import pytest

from trivium.base.errors import DataError
from trivium.study.floor import Ngram, bits_per_byte, ngram, xz


def real_text():
    """Bytes of this library's neighbours in the standard library, cut into documents that open with id 256."""
    modules = (textwrap, inspect, lzma)
    docs = [np.frombuffer(inspect.getsource(module).encode(), dtype=np.uint8).astype(np.int64) for module in modules]
    return [np.concatenate([[256], part]) for doc in docs for part in np.array_split(doc[:40_000], 20)]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_in_seen_and_unseen_contexts(order):
    rng = np.random.default_rng(0)
    vocab = 7
    docs = [rng.integers(0, 5, size=n) for n in (1, 2, 3, 40, 0, 9)]  # ids 5 and 6 are never seen
    model = Ngram(docs, vocab, order)
    # Every context, nearest token first: seen, unseen, and before the document.
    for context in itertools.product(range(vocab + 1), repeat=order - 1):
        high = sum(token * (vocab + 1) ** (place + 1) for place, token in enumerate(context))
        p = model.probability(np.arange(vocab, dtype=np.uint64) + np.uint64(high))
        assert (p > 0).all()
        assert p.sum() == pytest.approx(1, abs=1e-12)


def test_unigram_by_hand():
    # Targets 1 1 2: counts 2, 1; n1 = 1, n2 = 1, so D = 1.5 / 4; two kinds; uniform over 4 ids.
    score = ngram([np.array([0, 1, 1, 2])], [np.array([0, 1, 3])], vocab_size=4, order=1)
    d = 1.5 / 4
    seen, unseen = (2 - d + d * 2 / 4) / 3, (d * 2 / 4) / 3
    assert score.total == pytest.approx(-math.log(seen) - math.log(unseen))
    assert score.targets == 2 and score.mean == score.total / 2 and score.content == score.total
    without = ngram([np.array([0, 1, 1, 2])], [np.array([0, 1, 3])], vocab_size=4, order=1, special={0, 3})
    assert without.content == pytest.approx(-math.log(seen)) and without.total == score.total


def test_bigram_by_hand():
    # Bigrams 0-1, 1-2, 2-1 once each, and 0-1 again: counts 2, 1, 1, so n1 = 2, n2 = 1.
    docs = [np.array([0, 1, 2, 1]), np.array([0, 1])]
    top = 2.5 / 5
    # Lower level, by different tokens before a word: 1 follows {0, 2}, 2 follows {1}: n1 = 1, n2 = 1.
    low = 1.5 / 4
    one = (2 - low + low * 2 / 3) / 3
    two = (1 - low + low * 2 / 3) / 3
    after_one_two = (1 - top + top * 1 * two) / 1
    after_zero_one = (2 - top + top * 1 * one) / 2
    score = ngram(docs, [np.array([0, 1, 2])], vocab_size=3, order=2)
    assert score.total == pytest.approx(-math.log(after_zero_one) - math.log(after_one_two))


def test_contexts_stay_inside_their_document():
    """Order, and what stands in other documents, do not change what a document costs."""
    train = real_text()
    first, second = train[3], train[33]
    alone = ngram(train, [first], 257, 3).total + ngram(train, [second], 257, 3).total
    assert ngram(train, [first, second], 257, 3).total == pytest.approx(alone, rel=1e-12)
    assert ngram(train, [second, first], 257, 3).total == pytest.approx(alone, rel=1e-12)
    assert ngram(train[::-1], [first, second], 257, 3).total == pytest.approx(alone, rel=1e-12)


def test_longer_contexts_help_on_real_text():
    docs = real_text()
    train, valid = docs[::2], docs[1::2]
    nats = [ngram(train, valid, 257, order).mean for order in (1, 2, 3)]
    assert nats[2] < nats[1] < nats[0] < math.log(257)
    assert ngram(train, valid, 257, 3).targets == sum(len(doc) - 1 for doc in valid)


def test_nothing_learned_is_uniform():
    assert ngram([], [np.array([0, 3, 2])], vocab_size=8, order=3).mean == pytest.approx(math.log(8))


def test_nothing_to_score_is_an_error():
    with pytest.raises(DataError, match="nothing to score"):
        ngram([np.array([0, 1])], [np.array([0])], vocab_size=4, order=2)
    with pytest.raises(DataError, match="nothing to compress"):
        xz(b"text", b"")


def test_bits_per_byte():
    assert bits_per_byte(math.log(2) * 80, 10) == pytest.approx(8)


def test_xz_reaches_back_over_all_of_train():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, size=20_000, dtype=np.uint8).tobytes()
    filler = bytes(9 << 20)  # more than the preset's own dictionary
    assert xz(noise + filler, noise) < 0.2  # a copy from the far end
    assert xz(filler, noise) == pytest.approx(8, abs=0.2)  # nothing to copy from
