"""BART's noises, one at a time and together, and mBART's language code."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from trivium.base.errors import ConfigError
from trivium.base.seeds import generator
from trivium.base.types import Vocabulary
from trivium.objective.infill import TextInfilling

MASK = 4
END = np.zeros(1000, dtype=bool)
END[500:530] = True
VOCABULARY = Vocabulary(1000, pad=0, bos=1, eos=2, mask=MASK, special=frozenset(range(10)), sentence_end=END)
QUIET = {"rate": 0.0, "permute": False}


def text(length: int) -> np.ndarray:
    ids = np.random.default_rng(length).integers(10, 1000, length)
    return np.array([1, *ids, 2])


def damaged(objective: TextInfilling, ids: np.ndarray, seed: int = 0) -> np.ndarray:
    example = objective.piece(ids, None, VOCABULARY, generator(seed))
    assert example.targets["token"].tolist() == ids.tolist()
    assert example.dec.tolist() == [2, *ids[:-1].tolist()]
    assert example.enc[0] == 1 and example.enc[-1] == 2
    return example.enc[1:-1]


def test_without_noise_the_source_is_the_text() -> None:
    assert damaged(TextInfilling(**QUIET), text(50)).tolist() == text(50)[1:-1].tolist()


def test_spans_become_one_mask_each() -> None:
    tokens = masks = gone = 0
    for seed in range(300):
        ids = text(400 + seed)
        source = damaged(TextInfilling(permute=False), ids, seed)
        kept = source[source != MASK].tolist()
        rest = iter(ids[1:-1].tolist())
        assert all(token in rest for token in kept), "the kept tokens are not in their order"
        tokens += len(ids) - 2
        masks += int((source == MASK).sum())
        gone += len(ids) - 2 - len(kept)
        assert len(source) <= len(ids) - 2
    assert gone / tokens == pytest.approx(0.3, abs=0.002)
    assert gone / masks == pytest.approx(3.5, abs=0.1)


def test_every_token_is_masked_about_equally_often() -> None:
    ids = np.array([1, *range(10, 40), 2])
    seen = Counter()
    for seed in range(4000):
        seen.update(damaged(TextInfilling(permute=False), ids, seed).tolist())
    shares = np.array([seen[token] / 4000 for token in range(10, 40)])
    assert abs(shares[5:-5] - 0.68).max() < 0.06
    assert shares.max() < 0.9  # the ends less often, as wherever spans have lengths


def test_short_texts_never_grow() -> None:
    for length in (0, 1, 2, 3, 5):
        for seed in range(200):
            assert len(damaged(TextInfilling(span=0.5), text(length), seed)) <= length


def test_sentences_change_places_whole() -> None:
    ids = text(300)
    sentences = [s.tolist() for s in np.split(ids[1:-1], np.flatnonzero(END[ids[1:-2]]) + 1)]
    assert len(sentences) > 5
    source = damaged(TextInfilling(rate=0.0), ids)
    assert source.tolist() != ids[1:-1].tolist()
    text_of = ",".join(map(str, source.tolist()))
    assert sorted(source.tolist()) == sorted(ids[1:-1].tolist())
    assert all(",".join(map(str, sentence)) in text_of for sentence in sentences)


def test_deletion_leaves_no_mark() -> None:
    source = damaged(TextInfilling(**QUIET, delete=0.2), text(10_000))
    assert MASK not in source and len(source) / 10_000 == pytest.approx(0.8, abs=0.02)


def test_rotation_begins_in_the_middle() -> None:
    ids = text(50)
    sources = [damaged(TextInfilling(**QUIET, rotate=0.5), ids, seed).tolist() for seed in range(200)]
    turned = [source for source in sources if source != ids[1:-1].tolist()]
    assert 60 < len(turned) < 140
    body = ids[1:-1].tolist()
    assert all(source in [body[at:] + body[:at] for at in range(50)] for source in turned)


def test_the_first_target_is_the_language() -> None:
    objective = TextInfilling(language=9)
    assert objective.frame(VOCABULARY) == ((9,), (2,))
    example = objective.piece(np.array([9, 20, 30, 40, 2]), None, VOCABULARY, generator(0))
    assert example.enc[0] == 9 and example.targets["token"][0] == 9
    assert example.dec.tolist() == [2, 9, 20, 30, 40]


def test_a_piece_of_a_document_has_no_frame() -> None:
    ids = np.arange(20, 60)
    example = TextInfilling(**QUIET).piece(ids, 60, VOCABULARY, generator(0))
    assert example.enc.tolist() == ids.tolist()


def test_what_the_vocabulary_lacks_is_told() -> None:
    with pytest.raises(ConfigError, match="mask token"):
        TextInfilling().frame(replace(VOCABULARY, mask=None))
    with pytest.raises(ConfigError, match="sentences end"):
        TextInfilling().frame(replace(VOCABULARY, sentence_end=None))
    with pytest.raises(ConfigError, match=r"objective\.language"):
        TextInfilling(language=1000).frame(VOCABULARY)


def test_noise_is_a_function_of_the_address() -> None:
    first, again, next_epoch = (
        TextInfilling().piece(text(99), None, VOCABULARY, generator(1, e, 2)) for e in (0, 0, 1)
    )
    assert first.enc.tolist() == again.enc.tolist() != next_epoch.enc.tolist()
