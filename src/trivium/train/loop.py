"""The training loop. It trains any module that maps a Batch to hidden states and has a head, on any loader.

Pretraining, fine-tuning, masked and text-to-text learning differ in loader, head and objective, never here.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from trivium.base.batch import Batch
from trivium.base.errors import NumericsError
from trivium.base.files import read_json, write_json
from trivium.base.log import progress, say, warn
from trivium.base.seeds import mix
from trivium.data.loader import Loader
from trivium.model.device import bf16_gain, place, reuse_memory
from trivium.train.checkpoint import Saver, latest, load_checkpoint
from trivium.train.evaluate import Evaluation
from trivium.train.parallel import World
from trivium.train.recipe import Recipe
from trivium.train.run import Interrupted, Metrics, environment, stopping

BAD_STEPS_LIMIT = 10
BF16_WORTH = 1.2
"""How many times faster bf16 must be, because its casts have a cost too."""


class Step(NamedTuple):
    """The result of one optimizer step: one line of metrics.jsonl, and what a checkpoint keeps."""

    step: int = 0
    """Steps done, this one included."""
    tokens: int = 0
    """Tokens read in all steps so far, on both sides of an encoder-decoder, without padding."""
    loss: float = 0.0
    """Mean nats per target."""
    lr: float = 0.0
    norm: float = 0.0
    """The gradient norm before clipping."""
    targets: int = 0
    """Targets of this step."""
    finite: bool = True
    skipped: int = 0
    """Steps so far that changed nothing: not finite, or without targets."""
    seconds: float = 0.0
    all_targets: int = 0
    """Targets of all steps so far."""


def train(
    model: nn.Module,
    loader: Loader,
    recipe: Recipe,
    steps: int,
    folder: Path,
    world: World = World(),
    score: Callable[[], Evaluation] | None = None,
) -> Step:
    """Train up to step `steps`, from the newest checkpoint in `folder` if there is one; return the last step.

    SIGINT and SIGTERM save a checkpoint and raise Interrupted (exit code 75). A failed save is retried at the next
    save; the third failure in a row ends the run. A step that is not finite or has no targets only raises the counter
    `skipped`; ten in a row that are not finite raise NumericsError.
    """
    reuse_memory()
    optimizer = recipe.optim.build(model)
    last, precision = resume(folder / "checkpoints", model, optimizer, recipe, world)
    if world.first:
        tell_precision(folder, precision, recipe)
    metrics = Metrics(folder / "metrics.jsonl", last.step, world.first)
    saver = Saver(folder / "checkpoints", recipe.keep_checkpoints)
    if recipe.compile:
        model.compile()  # in place, so no key changes its name
    forward, bad = world.wrap(model), 0
    with stopping() as stop, progress("training", steps, "steps") as bar:
        bar.begin(last.step)
        for batches in loader.stream(last.step, steps):
            began = time.perf_counter()
            stopped = world.sum(float(stop.is_set()))[0] > 0
            lr = recipe.optim.lr * recipe.schedule.factor(last.step, steps)
            step = train_step(forward, model, optimizer, batches, lr, recipe, last.step, precision, world)
            last = step._replace(
                tokens=last.tokens + step.tokens,
                all_targets=last.all_targets + step.targets,
                skipped=last.skipped + step.skipped,
                seconds=round(time.perf_counter() - began, 4),
            )
            done, final, bad = last.step, last.step == steps, 0 if last.finite else bad + 1
            bar.update(done, f"loss {last.loss:.3f}")
            if final or done % recipe.log_every_steps == 0 or not last.finite:
                metrics.write(**last._asdict())
            if score is not None and (final or done % recipe.eval_every_steps == 0):
                metrics.write(step=done, **{f"valid_{key}": value for key, value in score().record().items()})
            if world.first and (final or stopped or done % recipe.save_every_steps == 0):
                state = {"facts": last._asdict(), "bf16": precision == torch.bfloat16}
                saver.save(done, model, optimizer, state, final=final or stopped)
            if bad >= BAD_STEPS_LIMIT:
                raise NumericsError(f"step {done}: {bad} steps in a row were not finite; lower optim.lr or use fp32")
            if stopped and not final:
                world.wait()
                raise Interrupted(f"{folder}: stopped after step {done} of {steps}, saved; add --resume to continue")
    world.wait()
    return last


def resume(
    root: Path, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, world: World
) -> tuple[Step, torch.dtype]:
    """Fill model and optimizer from the newest checkpoint in `root`; return its step and the autocast type."""
    last, precision = Step(), autocast_dtype(recipe, world.device)
    newest = latest(root) if world.first else None  # `latest` renames damaged ones, so one process goes first
    world.wait()
    newest = newest or latest(root)
    if newest is not None:
        state = load_checkpoint(newest, model, optimizer)
        facts = state["facts"]
        if "all_targets" not in facts:
            warn(f"{newest}: an earlier version counted targets as tokens: `tokens` of this run leaves out the others")
        last = Step(**{"all_targets": facts["tokens"], **facts})
        precision = torch.bfloat16 if state["bf16"] else torch.float32
    # Each process times the types itself, but all must compute in the same one, also after a resume.
    bf16 = world.sum(float(precision == torch.bfloat16))[0] == world.size
    return last, torch.bfloat16 if bf16 else torch.float32


def train_step(
    forward: nn.Module,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[Batch],
    lr: float,
    recipe: Recipe,
    done: int,
    precision: torch.dtype,
    world: World = World(),
) -> Step:
    """Do one optimizer step on this rank's micro-batches, after `done` steps. The loss is a mean over all targets.

    A parameter group takes `lr` times its `lr_scale`, if it has one.
    """
    count, tokens = world.sum(sum(batch.count() for batch in batches), sum(batch.tokens() for batch in batches))
    # Dropout draws from (seed, step, rank) alone, so a resumed run repeats it.
    torch.manual_seed(mix(recipe.seed, done, world.rank))
    total = 0.0
    for number, batch in enumerate(batches, start=1):
        with world.alone(forward, number < len(batches)):
            batch = place(batch, world.device)
            with world.autocast(precision):
                loss = recipe.loss(model.head, forward(batch), batch).total
            # Ranks average their gradients, so each multiplies by the number of ranks.
            (loss * (world.size / max(count, 1e-9))).backward()
            total += float(loss.detach())
    mean = world.sum(total)[0] / count if count else 0.0
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), recipe.clip or float("inf")))
    finite = math.isfinite(mean) and math.isfinite(norm)
    takes = finite and count > 0
    if takes:
        for group in optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return Step(done + 1, int(tokens), mean, lr, norm, int(count), finite, int(not takes))


def autocast_dtype(recipe: Recipe, device: torch.device) -> torch.dtype:
    """Return the type of matrix products; `auto` measures which one is faster on this device."""
    if recipe.precision == "auto":
        return torch.bfloat16 if bf16_gain(device.type) > BF16_WORTH else torch.float32
    return torch.bfloat16 if recipe.precision == "bf16" else torch.float32


def tell_precision(folder: Path, precision: torch.dtype, recipe: Recipe) -> None:
    """Say the type of matrix products of a run, and keep it in environment.json."""
    name = "bf16" if precision == torch.bfloat16 else "fp32"
    say(f"precision: {name}" + ", chosen by auto" * (recipe.precision == "auto"))
    path = folder / "environment.json"
    write_json(path, {**(read_json(path) if path.exists() else environment()), "precision": name})
