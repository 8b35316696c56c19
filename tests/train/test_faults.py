"""A fault at each file operation of a run that saves: a checkpoint stays, and the resumed run has the same bits."""

import errno
import os
import shutil
from contextlib import suppress
from functools import partial

import pytest

import tiny
from crash import deaths, faults, full_disk
from trivium.base.errors import TriviumError
from trivium.base.files import sweep
from trivium.data.loader import in_order
from trivium.train.checkpoint import find
from trivium.train.evaluate import evaluate
from trivium.train.loop import train


def broken_disk():
    """What a failing disk answers."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    return tiny.write_corpus(folder, tiny.documents([11, 30, 5, 17, 9, 8, 22, 13]), tiny.documents([12, 20], seed=4))


def go(data, folder, steps=4):
    """Train to a step, or go on to it: two saves lie behind the first two steps, the old ones are removed."""
    folder.mkdir(exist_ok=True)
    model, loader = tiny.model(layers=1, dropout=0.1), tiny.loader(tiny.document_rows(data), 2, 2)
    recipe = tiny.recipe(
        save_every_steps=2, eval_every_steps=2, keep_checkpoints=1, keep_best=True, schedule="constant"
    )
    valid = tiny.document_rows(data, split="valid")
    train(model, loader, recipe, steps, folder, score=lambda: evaluate(model, in_order(valid, 2, 0)))


def bits(folder):
    saved = folder / "checkpoints" / "step-00000004"
    return [(saved / name).read_bytes() for name in ("model.safetensors", "optim.safetensors")]


def judged(data, folder, wanted, at):
    """Whatever was hit, step 2 or 4 is there, and the run goes on to the weights of the one that nothing hit."""
    newest = find(folder / "checkpoints")
    assert newest is not None and newest.name in ("step-00000002", "step-00000004"), f"at step {at}"
    sweep(folder / "checkpoints")  # as every run begins
    go(data, folder)
    assert bits(folder) == wanted, f"at step {at}"
    assert not [path for path in (folder / "checkpoints").iterdir() if path.name.startswith(".")], f"at step {at}"


@pytest.fixture
def begun(data, tmp_path):
    """A run with a checkpoint after step 2, a way to copy it, and the weights that it comes to."""
    go(data, tmp_path / "whole")
    go(data, tmp_path / "begun", 2)

    def copied():
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        shutil.copytree(tmp_path / "begun", tmp_path / "run")
        return tmp_path / "run"

    return copied, bits(tmp_path / "whole")


EVERY = [7, pytest.param(1, marks=pytest.mark.slow)]
"""Every so many operations are hit."""


@pytest.mark.parametrize("fault", [full_disk, broken_disk])
@pytest.mark.parametrize("every", EVERY)
def test_a_disk_that_fails_at_any_operation_of_a_save(data, begun, fault, every):
    copied, wanted = begun
    with faults(0, fault) as count:
        go(data, copied())
    assert count[0] > 40
    for at in range(1, count[0] + 1, every):
        folder = copied()
        with suppress(TriviumError), faults(at, fault):
            go(data, folder)
        judged(data, folder, wanted, at)


@pytest.mark.parametrize("every", EVERY)
def test_a_process_that_ends_at_any_operation_of_a_save(data, begun, every):
    copied, wanted = begun
    ended, folder = 0, copied()  # always the same place
    for at in deaths(partial(go, data, folder), every):
        judged(data, folder, wanted, at)
        ended += bool(copied())
    assert ended * every > 40 - every
