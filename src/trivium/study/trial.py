"""Trial: train one recipe and measure it, or time a few of its steps."""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from trivium.base.errors import NumericsError
from trivium.base.log import watched
from trivium.data.loader import Loader
from trivium.model.device import bf16_gain, pick, reuse_memory
from trivium.study.grid import count, length_of, step_flops
from trivium.task.feed import open_rows
from trivium.task.fit import micro_rows
from trivium.task.run import run
from trivium.task.start import start_model
from trivium.train.loop import autocast_dtype
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe
from trivium.train.recompute import recompute
from trivium.train.step import train_step

TIMED = 5
"""Steps whose median is the time of a step, after two that do not count."""
MEGABYTE = 1024 if sys.platform == "linux" else 2**20
"""The unit of `ru_maxrss`, to divide by."""


def measured(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Train a recipe in a run folder, or go on there, and return what was measured; not to finish is a result too.

    `loss` is the last held-out loss in nats per target, `tokens` are those that were read, on both sides of an
    encoder-decoder and without padding, memory is in MB beyond what the process had, times in seconds.
    """
    before, start, cpu = _peak_mb(), time.monotonic(), time.process_time()
    unfinished = None
    try:
        run(recipe, folder, resume=(folder / "recipe.json").exists())
    except NumericsError as error:
        unfinished = str(error)
    peak = _peak_mb()
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [row["valid_loss"] for row in rows if "valid_loss" in row]
    seconds = statistics.median([row["seconds"] for row in rows if "seconds" in row] or [0.0])  # none was logged
    loss, steps = losses[-1] if losses else None, recipe.budget_steps or 0
    last = next((row for row in reversed(rows) if "tokens" in row), {"step": 1, "tokens": 0, "all_targets": 0})
    if unfinished is None and loss is None:
        unfinished = "the held-out loss is not a number" if losses else "there is no held-out text"
    if unfinished is None and (end := max(row["step"] for row in rows)) < steps:
        unfinished = f"it stopped at step {end:,} of {steps:,}"
    return {
        "parameters": count(recipe),
        "steps": recipe.budget_steps,
        "tokens": last["tokens"],
        "targets": last["all_targets"],
        "flops": steps * step_flops(recipe),
        "loss": None if unfinished else loss,
        "unfinished": unfinished,
        "step_seconds": seconds,
        "tokens_per_second": round(last["tokens"] / last["step"] / seconds) if seconds else 0,
        "peak_mb": None if before is None or peak is None else round(peak - before, 1),
        "seconds": round(time.monotonic() - start, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "threads": torch.get_num_threads(),
    }


def seconds_per_step(recipe: Recipe) -> float:
    """Return the median seconds of a few training steps of a recipe."""
    model = start_model(recipe)
    length, device = length_of(recipe), pick()
    rows, _ = open_rows(recipe, model, length)
    transformer = model.transformer.to(device).train()
    recompute(transformer, recipe.recompute)
    pad = model.tokenizer.vocabulary.pad
    micro = micro_rows(recipe, transformer, rows, length, pad, World(device=device))
    loader = Loader(rows, recipe.step_rows(length), micro, pad, recipe.seed)
    optimizer = recipe.optim.chosen(transformer, recipe.batch_tokens).build(transformer)
    precision = autocast_dtype(recipe, device)
    taken = []
    for step, batches in enumerate(watched([*loader.stream(0, 2 + TIMED)], "timing a few steps", "steps")):
        began = time.perf_counter()
        train_step(transformer, transformer, optimizer, batches, 0.0, recipe, step, precision)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def faster_precision(recipe: Recipe) -> str:
    """Return `bf16` or `fp32`: the type in which a few steps of a recipe take less time on this machine."""
    if bf16_gain(pick().type) < 1:  # it may be emulated, and then a step takes minutes
        return "fp32"
    reuse_memory()
    return min(("fp32", "bf16"), key=lambda name: seconds_per_step(recipe.replace(precision=name)))


def _peak_mb() -> float | None:
    """Return the most memory that this process has had: on the accelerator, where there is one; None if none tells."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
