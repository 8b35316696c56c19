"""A rehearsal beside PyTorch's own count of what its allocator gave out, and beside the memory of a run."""

import gc
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from planned import recipe
from trivium.data.loader import Loader
from trivium.lab.plan.rehearsal import rehearse
from trivium.lab.plan.subject import subject
from trivium.model.transformer import Transformer
from trivium.train.half import half_weights
from trivium.train.parallel.layout import ProcessGrid
from trivium.train.step import train_step

BENCH = Path(__file__).parents[3] / "bench" / "plan.py"


def planned(made, precision=torch.float32, size=1, cpu=True):
    found = subject(made)
    loader = Loader(found.rows, made.step_rows(found.length), made.micro_rows, found.pad, 0, 0, size)
    return rehearse(found.model, loader.step(0), made, precision, ProcessGrid(size), cpu), loader.step(0)


def allocated(made, batches, precision, path):
    """The most bytes that PyTorch's allocator had given out in the second step, with what was there before it."""
    model = Transformer(made.model).train()
    optimizer = made.optim.build(model)
    halves = half_weights(model, optimizer, precision)
    train_step(model, model, optimizer, batches, 0.0, made, 0, precision, halves=halves)
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as tracer:
        train_step(model, model, optimizer, batches, 0.0, made, 1, precision, halves=halves)
    tracer.export_chrome_trace(str(path))
    events = [one for one in json.loads(path.read_text())["traceEvents"] if one["name"] == "[memory]"]
    now = most = 0
    for one in sorted(events, key=lambda one: one["ts"]):
        now += one["args"]["Bytes"]
        most = max(most, now)
    states = [one for state in optimizer.state.values() for one in state.values()]
    return most + sum(one.nbytes for one in [*model.parameters(), *states, *halves.copies.values()])


@pytest.mark.parametrize(("family", "half"), [("decoder", True), ("encoder", False), ("encoder_decoder", False)])
def test_a_rehearsal_counts_what_the_allocator_gives_out(tmp_path, family, half):
    precision = torch.bfloat16 if half else torch.float32
    made = recipe(family)
    memory, batches = planned(made, precision)
    lives = sum(size for name, size in memory.parts.items() if name not in ("gaps of the heap", "checkpoint", "rows"))
    assert lives == pytest.approx(allocated(made, batches, precision, tmp_path / "trace.json"), rel=0.03)


def test_parts_are_as_many_bytes_as_parameters_say():
    memory, _ = planned(recipe("decoder"), size=2)
    count = sum(one.numel() for one in Transformer(recipe("decoder").model).parameters())
    tensors = len([*Transformer(recipe("decoder").model).parameters()])
    assert memory.trained == count
    assert memory.parts["weights"] == 4 * count
    assert memory.parts["gradient buckets"] == pytest.approx(4 * count, rel=0.02)
    assert memory.parts["optimizer states"] == 8 * count + 4 * tensors  # two means and the number of steps
    assert memory.peak == sum(memory.parts.values())


def test_activations_grow_with_rows_and_fall_where_blocks_are_computed_again():
    def kept(*more):
        return planned(recipe("decoder", "model.decoder.layers=4", *more), cpu=False)[0].parts["activations"]

    assert kept("micro_rows=8") == pytest.approx(2 * kept("micro_rows=4"), rel=0.02)
    assert kept("recompute=1") < 0.6 * kept("recompute=0")


@pytest.mark.slow
def test_a_run_takes_the_memory_that_was_planned():
    words = ["--families", "decoder", "--precisions", "fp32", "--processes", "1"]
    done = subprocess.run([sys.executable, BENCH, *words, "--dry"], capture_output=True, text=True, check=True)
    assert float(re.search(r"([\d.]+) of measured", done.stdout)[1]) == pytest.approx(1, abs=0.25)
