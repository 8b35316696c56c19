"""The one loop. It trains whatever maps a Batch to hidden states and has a head, on whatever a loader gives.

Pretraining, fine-tuning, masked and text-to-text learning differ in loader, head and objective, never here.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trivium.base.batch import Batch
from trivium.base.errors import NumericsError
from trivium.base.log import progress
from trivium.base.seeds import mix
from trivium.data.loader import Loader
from trivium.model.device import bf16_gain, place, reuse_memory
from trivium.train.checkpoint import Saver, latest, load_checkpoint
from trivium.train.evaluate import Evaluation
from trivium.train.parallel import World
from trivium.train.recipe import Recipe
from trivium.train.run import Interrupted, Metrics, stopping

BAD_STEPS_LIMIT = 10
BF16_WORTH = 1.2
"""How many times faster bf16 must be: its casts cost something too."""


def train(
    model: nn.Module,
    loader: Loader,
    recipe: Recipe,
    steps: int,
    folder: Path,
    world: World = World(),
    score: Callable[[], Evaluation] | None = None,
) -> dict[str, Any]:
    """Train until `steps` are done, from the newest checkpoint in `folder` if it has one; give the last facts.

    Saves before it gives in to SIGINT or SIGTERM (Interrupted, exit code 75). A save that fails is tried again at the
    next, the third in a row ends the run. A step that is not finite or has no targets changes nothing but the counter
    `skipped`; ten in a row that are not finite are a NumericsError.
    """
    reuse_memory()
    optimizer = recipe.optim.build(model)
    root, start, bad = folder / "checkpoints", 0, 0
    facts: dict[str, Any] = {"tokens": 0, "skipped": 0}
    precision = autocast_dtype(recipe, world.device)
    newest = latest(root) if world.first else None  # which sets damaged ones aside, so one process looks first
    world.wait()
    newest = newest or latest(root)
    if newest is not None:
        state = load_checkpoint(newest, model, optimizer)
        start, facts = state["step"], state["facts"]
        precision = torch.bfloat16 if state["bf16"] else torch.float32
    # Each process has timed for itself; all must compute in the same type, and so must a resumed run.
    bf16 = world.sum(float(precision == torch.bfloat16))[0] == world.size
    precision = torch.bfloat16 if bf16 else torch.float32
    metrics = Metrics(folder / "metrics.jsonl", start, world.first)
    saver = Saver(root, recipe.keep_checkpoints)
    if recipe.compile:
        model.compile()  # in place, so that no key changes its name
    forward = world.wrap(model)
    with stopping() as stop, progress("training", steps, "steps") as bar:
        bar.begin(start)
        for step, batches in enumerate(loader.stream(start, steps), start):
            began = time.perf_counter()
            lr = recipe.optim.lr * recipe.schedule.factor(step, steps)
            seen, skipped = facts["tokens"], facts["skipped"]
            facts = train_step(forward, model, optimizer, batches, lr, recipe, step, precision, world, stop.is_set())
            done, asked = step + 1, facts.pop("asked")
            last = done == steps
            bad = 0 if facts["finite"] else bad + 1
            facts = {"step": done, "tokens": seen + facts["targets"], **facts}
            facts["skipped"] += skipped
            facts["seconds"] = round(time.perf_counter() - began, 4)
            bar.update(done, f"loss {facts['loss']:.3f}")
            if last or done % recipe.log_every_steps == 0 or not facts["finite"]:
                metrics.write(**facts)
            if score is not None and (last or done % recipe.eval_every_steps == 0):
                metrics.write(step=done, **{f"valid_{key}": value for key, value in score().record().items()})
            if world.first and (last or asked or done % recipe.save_every_steps == 0):
                saver.save(done, model, optimizer, {"facts": facts, "bf16": bf16}, final=last or asked)
            if bad >= BAD_STEPS_LIMIT:
                raise NumericsError(f"step {done}: {bad} steps in a row were not finite; lower optim.lr or use fp32")
            if asked and not last:
                world.wait()
                raise Interrupted(f"{folder}: stopped after step {done} of {steps}, saved; resume to go on")
    world.wait()
    return facts


def train_step(
    forward: nn.Module,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[Batch],
    lr: float,
    recipe: Recipe,
    step: int,
    precision: torch.dtype,
    world: World = World(),
    asked: bool = False,
) -> dict[str, Any]:
    """One optimizer step over this rank's micro-batches: the loss is a mean over the targets of all ranks."""
    count, stops = world.sum(sum(batch.count() for batch in batches), float(asked))
    # Dropout draws from (seed, step, rank) alone, so a resumed run repeats it.
    torch.manual_seed(mix(recipe.seed, step, world.rank))
    total = 0.0
    for number, batch in enumerate(batches, start=1):
        with world.alone(forward, number < len(batches)):
            batch = place(batch, world.device)
            with torch.autocast(world.device.type, dtype=precision, enabled=precision != torch.float32):
                loss = recipe.loss(model.head, forward(batch), batch).total
            # Ranks average their gradients, so each is scaled up by how many there are.
            (loss * (world.size / max(count, 1e-9))).backward()
            total += float(loss.detach())
    loss_mean = world.sum(total)[0] / count if count else 0.0
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), recipe.clip or float("inf")))
    finite = math.isfinite(loss_mean) and math.isfinite(norm)
    steps = finite and count > 0
    if steps:
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {
        "loss": loss_mean,
        "lr": lr,
        "norm": norm,
        "targets": int(count),
        "finite": finite,
        "skipped": int(not steps),
        "asked": stops > 0,
    }


def autocast_dtype(recipe: Recipe, device: torch.device) -> torch.dtype:
    """The type matrix products are computed in; `auto` is decided by timing one, never by hope."""
    if recipe.precision == "auto":
        return torch.bfloat16 if bf16_gain(device.type) > BF16_WORTH else torch.float32
    return torch.bfloat16 if recipe.precision == "bf16" else torch.float32
