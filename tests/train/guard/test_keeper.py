import json
import os
import time

import pytest

import tiny
from trivium.data.loader import in_order
from trivium.train.checkpoint import checkpoints
from trivium.train.evaluate import evaluate
from trivium.train.loop import train
from trivium.train.pace import Pace


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keeper")
    return tiny.write_corpus(folder, tiny.documents([11, 30, 5, 17, 9, 8, 22, 13]), tiny.documents([12, 20], seed=4))


@pytest.fixture
def clock(monkeypatch):
    """A clock on which a step takes 30 seconds: each look at the batches of one moves it on."""
    now = [1000.0]
    monkeypatch.setattr(Pace, "clock", staticmethod(lambda: now[0]))
    return now


def go(data, folder, clock, steps=12, **changes):
    model, loader = tiny.model(layers=1), tiny.loader(tiny.document_rows(data), 2, 2)
    stream = loader.stream

    def timed(start, stop):
        for batches in stream(start, stop):
            yield batches
            clock[0] += 30.0

    loader.stream = timed
    valid = tiny.document_rows(data, split="valid")
    recipe = tiny.recipe(**{"save_every_steps": 100, "keep_checkpoints": 20, **changes})
    score = lambda: evaluate(model, in_order(valid, 2, 0))
    return train(model, loader, recipe, steps, folder, score=score)


def saved(folder):
    return sorted(checkpoints(folder / "checkpoints"))


def test_a_run_saves_by_the_clock_beside_the_steps(data, tmp_path, clock):
    go(data, tmp_path, clock, save_every_minutes=2.0)
    assert saved(tmp_path) == [5, 9, 12]  # 120 seconds after the start, and after each save
    go(data, tmp_path / "both", clock, save_every_minutes=2.0, save_every_steps=3)
    assert saved(tmp_path / "both") == [3, 6, 9, 12], "a save by steps is one by the clock too"


def test_saves_by_the_clock_change_no_bit(data, tmp_path, clock):
    for name, changes in (("steps", {}), ("clock", {"save_every_minutes": 1.0})):
        go(data, tmp_path / name, clock, **changes)
    one, other = ((tmp_path / name / "checkpoints" / "step-00000012") for name in ("steps", "clock"))
    for name in ("model.safetensors", "optim.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert saved(tmp_path / "clock") == [3, 5, 7, 9, 11, 12]


def test_young_checkpoints_are_kept_beside_the_newest(data, tmp_path, clock):
    go(data, tmp_path, clock, save_every_steps=3, keep_checkpoints=1, keep_minutes=60.0)
    assert saved(tmp_path) == [3, 6, 9, 12]
    for step in (3, 6):
        os.utime(tmp_path / "checkpoints" / f"step-{step:08d}", (time.time() - 3700,) * 2)
    go(data, tmp_path, clock, steps=15, save_every_steps=3, keep_checkpoints=1, keep_minutes=60.0)
    assert saved(tmp_path) == [9, 12, 15]


def test_a_checkpoint_says_nothing_of_what_a_run_has_not(data, tmp_path, clock):
    go(data, tmp_path, clock)
    state = json.loads((tmp_path / "checkpoints" / "step-00000012" / "state.json").read_text())
    assert not {"owed", "spikes", "pace"} & set(state)
