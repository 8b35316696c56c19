"""The training loop. It trains any module that maps a Batch to hidden states and has a head, on any loader.

Pretraining, fine-tuning, masked and text-to-text learning differ in loader, head and objective, never here.
"""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trivium.base.errors import ModelError
from trivium.base.files import read_json, write_json
from trivium.base.log import progress, say, warn
from trivium.base.process import stopping
from trivium.data.loader import Loader
from trivium.model.device import bf16_gain, reuse_memory
from trivium.model.size import ADAM_BYTES
from trivium.train.average import Average
from trivium.train.best import Best
from trivium.train.checkpoint import find, load_checkpoint, set_aside
from trivium.train.console import Console
from trivium.train.evaluate import Evaluation
from trivium.train.exact.certificate import Certificate
from trivium.train.exact.grain import grains_of
from trivium.train.finite import state_fault
from trivium.train.guard.keeper import Keeper, judge
from trivium.train.guard.spike import Spikes
from trivium.train.half import half_weights
from trivium.train.pace import Pace
from trivium.train.parallel.world import World
from trivium.train.profile import traced
from trivium.train.recipe import Recipe
from trivium.train.run import Metrics, environment
from trivium.train.step import Step, train_step

BF16_WORTH = 1.2
"""How many times faster bf16 must be, because its casts have a cost too."""


def train(
    model: nn.Module,
    loader: Loader,
    recipe: Recipe,
    steps: int | None,
    folder: Path,
    world: World = World(),
    score: Callable[[], Evaluation] | None = None,
    from_step: int | None = None,
    since: float | None = None,
    profile: bool = False,
) -> Step:
    """Train up to step `steps`, from the newest checkpoint in `folder` if there is one; return the last step.

    Without `steps` the minutes of the recipe decide, which began at `since` on `Pace.clock`, or now.
    `score` measures the held-out loss: before the first step, every `eval_every_steps`, and after the last step.
    `from_step` names an older checkpoint to go on from. A signal (see base/process) ends the wait for data or the
    evaluation, saves the last step and raises Interrupted (exit code 75); an evaluation that it ended is made up for
    by the resumed run. A failed save is retried at the next save; the third failure in a row ends the run. `profile`
    traces a few steps. The model ends with the weights that the recipe wants: the last, the best, their averages.

    A step that is not finite or has no targets is skipped and told, and nothing is saved before a step is finite
    again. NumericsError (exit code 4): ten steps in a row were not finite, every step was skipped, or the state itself
    is not finite: a weight, what the optimizer keeps, or the loss of a batch that had a finite one.
    """
    reuse_memory()
    optimizer, root = recipe.optim.chosen(model, recipe.batch_tokens).build(model), folder / "checkpoints"
    last, precision, kept = resume(root, model, optimizer, recipe, world, from_step)
    pace = Pace(recipe, steps, since, ADAM_BYTES * sum(p.numel() for p in model.parameters()), kept)
    best, average = Best(recipe, root, kept), Average(recipe.ema, optimizer)
    if best.over:
        pace.steps = last.step
    if world.first:
        tell_precision(folder, precision, recipe)
    if last.step:
        say(f"resuming from step {last.step:,}{pace.of}")
    metrics = Metrics(folder / "metrics.jsonl", last.step, world.first, recipe)
    if recipe.compile:
        model.compile()  # in place, so no key changes its name
    grains = grains_of(recipe, loader.step_rows, loader.micro_rows, world)
    alone = world if grains is None else World(device=world.device)  # no average over ranks but the sum of the grains
    certificate, spikes = Certificate(folder, grains, model, last.step, kept), Spikes(recipe.spikes, kept)
    forward, halves = alone.wrap(model), half_weights(model, optimizer, precision, alone)
    console = Console(model, precision, world, last)
    parts = pace, best, average, spikes, certificate, metrics
    keeper = Keeper(model, optimizer, recipe, folder, world, precision, last, parts, score)
    with closing(metrics), stopping() as stop, stop.holding(), progress("training", pace.known, "steps") as bar:
        mark = time.perf_counter()
        if not last.step or kept.get("owed"):
            keeper.begin()
        bar.begin(last.step)
        stream = loader.stream(last.step, pace.bound(last.step))
        for batches in traced(stream, folder / "profile.json") if profile and world.first else stream:
            began = time.perf_counter()
            stopped, due = pace.look(last.step, stop.is_set(), world)
            if stopped:
                keeper.leave()
            lr, bar.total = pace.lr(last.step), pace.known
            step = train_step(
                forward, model, optimizer, batches, lr, recipe, last.step, precision, world, halves, grains, spikes
            )
            last, mark = last.followed(step, began, mark), time.perf_counter()
            if not step.skipped:
                average.update(last.step - last.skipped)
            bar.update(last.step, partial(console.line, bar, last, batches))
            if last.reason and world.first:
                warn(f"step {last.step}: skipped: {last.reason}")
            if keeper.follow(last, batches, due):
                break
        stop.phase = "after the last step"
    if last.skipped:
        say(f"{last.skipped:,} of {last.step:,} steps were skipped")
    world.wait()
    last = last._replace(best=best.restore(model, optimizer), repeats=pace.repeats(name_of(precision)))
    average.settle()
    return last


def resume(
    root: Path, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, world: World, step: int | None
) -> tuple[Step, torch.dtype, dict[str, Any]]:
    """Fill model and optimizer from a checkpoint in `root`, that of `step` or the newest; return its step, the
    autocast type and its whole state. A newer checkpoint than `step` is renamed; one that is not finite is a
    NumericsError.
    """
    last, precision, state = Step(), autocast_dtype(recipe, world.device), dict[str, Any]()
    newest = None
    with suppress(ModelError):  # `find` renames damaged ones, so one process goes first; then all raise the same error
        newest = find(root, step) if world.first else None
    world.wait()
    newest = newest or find(root, step)
    if newest is not None:
        state = load_checkpoint(newest, model, optimizer)
        facts = state["facts"]
        if "all_targets" not in facts:
            warn(f"{newest}: an earlier version counted targets as tokens: `tokens` of this run leaves out the others")
        last = Step(
            **{"all_targets": facts["tokens"], "all_seconds": facts.get("seconds", 0.0) * facts["step"], **facts}
        )
        precision = torch.bfloat16 if state["bf16"] else torch.float32
        if fault := state_fault(model, optimizer):
            judge(last, 0, False, f"{newest}: {fault}", root.parent)
    world.wait()
    if step is not None and world.first:
        set_aside(root, step)
    # Each process times the types itself, but all must compute in the same one, also after a resume.
    bf16 = world.sum(float(precision == torch.bfloat16))[0] == world.size
    return last, torch.bfloat16 if bf16 else torch.float32, state


def autocast_dtype(recipe: Recipe, device: torch.device) -> torch.dtype:
    """Return the type of matrix products; `auto` measures which one is faster on this device."""
    if recipe.precision == "auto":
        return torch.bfloat16 if bf16_gain(device.type) > BF16_WORTH else torch.float32
    return torch.bfloat16 if recipe.precision == "bf16" else torch.float32


def name_of(precision: torch.dtype) -> str:
    """Return how a recipe calls the type of matrix products."""
    return "bf16" if precision == torch.bfloat16 else "fp32"


def tell_precision(folder: Path, precision: torch.dtype, recipe: Recipe) -> None:
    """Say the type of matrix products of a run, and keep it in environment.json."""
    name = name_of(precision)
    say(f"precision: {name}" + ", chosen by auto" * (recipe.precision == "auto"))
    path = folder / "environment.json"
    write_json(path, {**(read_json(path) if path.exists() else environment()), "precision": name})
