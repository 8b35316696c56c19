"""Span corruption loses nothing, and its lengths are those of the paper."""

from dataclasses import replace

import numpy as np
import pytest

from trivium.base.errors import ConfigError
from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Vocabulary
from trivium.objective.denoise import SpanCorruption

SENTINELS = tuple(range(900, 1000))
VOCABULARY = Vocabulary(1000, pad=0, eos=2, sentinels=SENTINELS, special=frozenset({0, 2, *SENTINELS}))


def merge(source: np.ndarray, target: np.ndarray) -> list[int]:
    """Put the spans of the target back where their sentinels stand in the source."""
    spans: dict[int, list[int]] = {}
    for token in target[:-1].tolist():
        if token in SENTINELS:
            spans[token] = last = []
        else:
            last.append(token)
    return [t for token in source[:-1].tolist() for t in (spans[token] if token in SENTINELS else [token])]


def text(length: int) -> np.ndarray:
    return np.random.default_rng(length).integers(10, 900, length)


def test_lengths_are_those_of_the_paper() -> None:
    objective = SpanCorruption()
    assert objective.room(512) == 568
    assert objective.sizes(568) == (512, 114)
    example = objective.piece(text(568), None, VOCABULARY, generator(0))
    assert (len(example.enc), len(example.dec), len(example.targets["token"])) == (512, 114, 114)


@pytest.mark.parametrize(
    "objective", [SpanCorruption(), SpanCorruption(density=0.5, span=5), SpanCorruption(density=0.9, span=1)]
)
@pytest.mark.parametrize("length", [2, 3, 7, 40, 568])
def test_source_and_target_together_are_the_text(objective: SpanCorruption, length: int) -> None:
    ids = text(length)
    for seed in range(20):
        example = objective.piece(ids, None, VOCABULARY, generator(seed))
        target = example.targets["token"]
        assert merge(example.enc, target) == ids.tolist()
        assert example.enc[-1] == target[-1] == 2
        marks = [t for t in target.tolist() if t in SENTINELS]
        assert marks == [t for t in example.enc.tolist() if t in SENTINELS] == list(SENTINELS[: len(marks)])
        assert example.dec.tolist() == [0, *target[:-1].tolist()]


def test_the_room_is_the_most_that_fits() -> None:
    for objective in (SpanCorruption(), SpanCorruption(density=0.3, span=2.5)):
        for length in (16, 100, 512):
            raw = objective.room(length)
            assert objective.sizes(raw)[0] <= length < objective.sizes(raw + 1)[0]
    joint = SpanCorruption(decoder=True)
    assert sum(joint.sizes(joint.room(256))) <= 256 < sum(joint.sizes(joint.room(256) + 1))


def test_the_density_is_the_share_that_is_cut() -> None:
    cut = sum(
        (SpanCorruption().piece(text(n), None, VOCABULARY, generator(n)).targets["token"] < 900).sum() - 1
        for n in range(100, 600)
    )
    assert cut / sum(range(100, 600)) == pytest.approx(0.15, abs=0.002)


def test_every_place_of_a_short_text_is_cut_equally_often() -> None:
    """Where there is a single span too: it does not always stand at the end."""
    ids = np.arange(10, 20)
    first = [
        int(SpanCorruption().piece(ids, None, VOCABULARY, generator(seed)).targets["token"][1]) for seed in range(2000)
    ]
    shares = np.bincount(first, minlength=20)[10:19] / 2000
    assert abs(shares - 1 / 9).max() < 0.03


def test_a_decoder_reads_the_source_and_writes_the_target() -> None:
    ids = text(100)
    pair = SpanCorruption().piece(ids, None, VOCABULARY, generator(5))
    one = SpanCorruption(decoder=True).piece(ids, None, VOCABULARY, generator(5))
    assert one.enc is None and one.prefix == len(pair.enc)
    assert one.dec.tolist() == [*pair.enc.tolist(), *pair.targets["token"].tolist()]
    trained = one.targets["token"] != IGNORE
    assert one.targets["token"][trained].tolist() == pair.targets["token"].tolist()
    assert trained.nonzero()[0].tolist() == list(range(len(pair.enc) - 1, len(one.dec) - 1))


def test_too_short_a_text_carries_no_target() -> None:
    for objective in (SpanCorruption(), SpanCorruption(decoder=True)):
        example = objective.piece(np.array([5]), None, VOCABULARY, generator(0))
        assert (example.targets["token"] == IGNORE).all() and len(example) == 1


def test_sentinels_are_never_used_up() -> None:
    few = replace(VOCABULARY, sentinels=SENTINELS[:3])
    example = SpanCorruption().piece(text(568), None, few, generator(0))
    assert merge(example.enc, example.targets["token"]) == text(568).tolist()
    with pytest.raises(ConfigError, match="extra_id_0"):
        SpanCorruption().frame(replace(VOCABULARY, sentinels=()))


def test_noise_is_a_function_of_the_address() -> None:
    first, again, next_epoch = (
        SpanCorruption().piece(text(200), None, VOCABULARY, generator(1, e, 2)) for e in (0, 0, 1)
    )
    assert (first.enc == again.enc).all() and first.enc.tolist() != next_epoch.enc.tolist()


def test_the_decoder_starts_as_its_family_does() -> None:
    assert SpanCorruption(start="eos").piece(text(9), None, VOCABULARY, generator(0)).dec[0] == 2
