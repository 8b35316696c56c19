"""Slots: what a row has read goes with it, whether others leave, homes grow, or it moves to a larger one."""

import pytest
import torch

from places import CLOSE, SIZE, build, part, stream
from trivium.base.batch import Stream
from trivium.model.attention.crowd import Crowd
from trivium.model.attention.pattern import Causal, Window
from trivium.model.attention.slots import BLOCK, Pool, Slot
from trivium.model.transformer import Transformer

LENGTH = 2 * BLOCK


def read(model: Transformer, pool: Pool, slot: Slot, whole: Stream, stop: int) -> torch.Tensor:
    """The states of the tokens of a row up to `stop`, from where its slot ends."""
    start = slot.seen
    return model.decode(part(whole, start, stop), cache=Crowd([slot], [stop - start], pool.keeps))


@pytest.mark.parametrize("pattern", [Causal(), Window(size=SIZE)], ids=["causal", "window"])
@torch.no_grad()
def test_a_row_goes_on_wherever_its_slot_is(pattern: Causal | Window) -> None:
    model, whole = build(pattern), stream([LENGTH], LENGTH)
    expected, other = model.decode(whole), stream([LENGTH], LENGTH)
    other.ids[:] = other.ids.flip(1)
    pool = Pool(model.decoder.cache(0), None)
    home = pool.home(BLOCK, 0)
    first, slot, last = home.take(0), home.take(0), home.take(0)
    read(model, pool, first, other, 20)
    read(model, pool, slot, whole, 40)
    read(model, pool, last, other, 30)
    first.leave()
    assert (slot.index, last.index) == (1, 0) and home.rows == [last, slot]
    home.resize(7)
    fork = pool.alone(BLOCK, 0).take(25, source=slot)
    assert torch.allclose(read(model, pool, fork, whole, 60), expected[:, 25:60], atol=CLOSE)
    slot.trim(3)
    assert torch.allclose(read(model, pool, slot, whole, 60), expected[:, 37:60], atol=CLOSE)
    larger = pool.home(BLOCK + 1, 0).take(slot.seen, source=slot)
    slot.leave()
    assert torch.allclose(read(model, pool, larger, whole, LENGTH), expected[:, 60:], atol=CLOSE)
    assert pool.allocated == 7 * BLOCK + 2 * BLOCK
    pool.compact()
    assert pool.allocated == BLOCK + 2 * BLOCK and home.rows == [last]


def test_there_are_few_capacities() -> None:
    pool = Pool(build(Causal()).decoder.cache(0), 1000)
    assert [pool.width(count, 0) for count in (1, BLOCK, BLOCK + 1, 2 * BLOCK + 1)] == [128, 128, 256, 512]
    assert pool.width(600, 0) == 1024 and pool.width(600, 3) == 1024 + BLOCK
    assert Pool(build(Causal()).decoder.cache(0), 600).width(513, 0) == 640, "no row of this model is longer"
