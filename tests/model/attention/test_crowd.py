"""A crowd: rows in one pass, each with its own slot, give what each gives alone."""

import pytest
import torch

from places import CLOSE, PATTERNS, build, causal, part, stream
from trivium.base.batch import Stream
from trivium.model.attention.crowd import Crowd
from trivium.model.attention.pattern import Causal
from trivium.model.attention.slots import Pool

LENGTHS = 5, 1, 14, 5


@pytest.mark.parametrize("name", [name for name in PATTERNS if name != "prefix"])
@pytest.mark.parametrize("block", [1, 128])
@torch.no_grad()
def test_a_crowd_gives_each_row_what_it_gets_alone(name: str, block: int) -> None:
    model = build(causal(PATTERNS[name]), Causal())
    rows = [stream([length + 7], length + 7) for length in LENGTHS]
    alone = [model.decode(row) for row in rows]
    pool = Pool(model.decoder.cache(0), None)
    slots = [pool.home(length + 7, 0).take(0) for length in LENGTHS]
    at = [0] * len(rows)
    for counts in (LENGTHS, (1, 1, 1, 1), (2, 1, 3, 3), (0, 1, 1, 0), (3, 4, 2, 3)):
        pieces = [part(row, start, start + count) for row, start, count in zip(rows, at, counts, strict=True)]
        table = [torch.cat([getattr(p, key) for p in pieces], dim=1) for key in ("ids", "positions", "documents")]
        here = [(slot, count) for slot, count in zip(slots, counts, strict=True) if count]
        crowd = Crowd([slot for slot, _ in here], [count for _, count in here], pool.keeps, block)
        found = model.decode(Stream(*table), cache=crowd).split(list(counts), dim=1)
        for states, whole, start, count in zip(found, alone, at, counts, strict=True):
            assert torch.allclose(states, whole[:, start : start + count], atol=CLOSE * max(1.0, float(whole.std())))
        at = [start + count for start, count in zip(at, counts, strict=True)]


@torch.no_grad()
def test_neighbours_that_read_equally_many_tokens_are_one_run() -> None:
    pool = Pool(build(Causal()).decoder.cache(0), None)
    slots = [pool.home(size, 0).take(0) for size in (9, 9, 9, 9, 200)]
    runs = Crowd(slots, [1, 1, 3, 1, 1], pool.keeps).runs
    assert [(len(run.slots), run.count, run.tokens) for run in runs] == [
        (2, 1, slice(0, 2)),
        (1, 3, slice(2, 5)),
        (1, 1, slice(5, 6)),
        (1, 1, slice(6, 7)),
    ]
