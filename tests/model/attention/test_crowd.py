"""A crowd: rows in one pass, each with its own cache, give what each gives alone; a cache is copied and shortened."""

import pytest
import torch

from places import CLOSE, PATTERNS, SIZE, build, causal, part, stream
from trivium.base.batch import Stream
from trivium.model.attention.crowd import Crowd
from trivium.model.attention.pattern import Causal, Window

LENGTHS = 5, 1, 14


@pytest.mark.parametrize("name", [name for name in PATTERNS if name != "prefix"])
@torch.no_grad()
def test_a_crowd_gives_each_row_what_it_gets_alone(name: str) -> None:
    model = build(causal(PATTERNS[name]), Causal())
    rows = [stream([length + 6], length + 6) for length in LENGTHS]
    alone = [model.decode(row) for row in rows]
    caches = [model.decoder.cache(length + 6) for length in LENGTHS]
    at = [0] * len(rows)
    for counts in (LENGTHS, (1, 1, 1), (2, 1, 3), (3, 4, 2)):
        pieces = [part(row, start, start + count) for row, start, count in zip(rows, at, counts, strict=True)]
        table = [torch.cat([getattr(p, key) for p in pieces], dim=1) for key in ("ids", "positions", "documents")]
        found = model.decode(Stream(*table), cache=Crowd(caches, counts)).split(list(counts), dim=1)
        for states, whole, start, count in zip(found, alone, at, counts, strict=True):
            assert torch.allclose(states, whole[:, start : start + count], atol=CLOSE * max(1.0, float(whole.std())))
        at = [start + count for start, count in zip(at, counts, strict=True)]


@torch.no_grad()
def test_a_copy_goes_on_from_an_earlier_position() -> None:
    model, whole = build(Causal()), stream([20], 20)
    expected = model.decode(whole)
    cache = model.decoder.cache(20)
    model.decode(part(whole, 0, 16), cache=cache)
    for seen in (16, 9, 1):
        copied = cache.fork(seen, 30)
        assert copied is not None and copied.seen == seen
        assert torch.allclose(model.decode(part(whole, seen, 20), cache=copied), expected[:, seen:], atol=CLOSE)
    assert torch.allclose(model.decode(part(whole, 16, 20), cache=cache), expected[:, 16:], atol=CLOSE)


@torch.no_grad()
def test_a_window_that_has_dropped_keys_cannot_go_back_far() -> None:
    model, whole = build(Window(size=SIZE)), stream([40], 40)
    cache, expected = model.decoder.cache(40), model.decode(whole)
    for start in range(30):
        model.decode(part(whole, start, start + 1), cache=cache)
    assert cache.fork(10, 40) is None
    near = cache.fork(30, 40)
    assert near is not None
    assert torch.allclose(model.decode(part(whole, 30, 40), cache=near), expected[:, 30:], atol=CLOSE)
