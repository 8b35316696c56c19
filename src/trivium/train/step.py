"""One optimizer step on the micro-batches of a rank, and what is known of it."""

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn

from trivium.base.batch import Batch
from trivium.base.files import strict
from trivium.base.seeds import mix
from trivium.model.device import place, used_bytes
from trivium.train.exact.grain import Grains, Passed
from trivium.train.exact.replay import replayed
from trivium.train.finite import gradient_fault, pass_fault, state_fault
from trivium.train.guard.spike import Spikes
from trivium.train.half import Halves
from trivium.train.optim.optim import clip, total_norm
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe


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
    """Steps so far that changed nothing: not finite, without targets, or a spike."""
    seconds: float = 0.0
    all_targets: int = 0
    """Targets of all steps so far."""
    reason: str = ""
    """Why this step was skipped."""
    all_seconds: float = 0.0
    """Seconds of all steps so far, with loading, evaluation and checkpoints."""
    repeats: str = ""
    """The overrides of the recipe that repeat a run by minutes by steps; the last step has them."""
    memory: int = 0
    """Bytes that the first process holds: resident, or the most so far on its accelerator; 0 where nothing tells."""
    data: str = ""
    """The SHA-256 of what a deterministic step read, on all processes."""
    best: Mapping[str, Any] = MappingProxyType({})
    """The step of the best checkpoint and its held-out scores, if the model is made of it; the last step has them."""

    def record(self) -> dict[str, Any]:
        """Return the step as plain data; a number that is not finite is None."""
        plain = {**self._asdict(), "best": dict(self.best)}
        return {key: value for key, value in strict(plain).items() if value not in ("", {})}

    def followed(self, step: "Step", began: float, mark: float) -> "Step":
        """Return the next step with what adds up; it began at one time of the clock, and this one ended at another."""
        now = time.perf_counter()
        return step._replace(
            tokens=self.tokens + step.tokens,
            all_targets=self.all_targets + step.targets,
            skipped=self.skipped + step.skipped,
            memory=used_bytes() or 0,
            seconds=round(now - began, 4),
            all_seconds=round(self.all_seconds + now - mark, 4),
        )


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
    halves: Halves = Halves(),
    grains: Grains | None = None,
    spikes: Spikes = Spikes(),
) -> Step:
    """Do one optimizer step on this rank's micro-batches, after `done` steps. The loss is a mean over all targets.

    A parameter group takes `lr` times its `lr_scale`, if it has one. `halves` stand in for the matrices. With `grains`
    the gradients are those of any number of processes. A step that is due is computed twice (`replay`). A step that is
    one of `spikes` is skipped.
    """

    def back(batch: Batch, scale: float, more: bool = False, only: bool = False) -> float:
        """Add the gradient of a micro-batch, times `scale`, and return its loss."""
        with world.alone(forward, more), halves.standing_in():
            batch = place(batch, world.device)
            with world.autocast(precision):
                loss = recipe.loss.over(forward, model.head, batch).total
            (loss * scale).backward()
        halves.collect(only)
        return float(loss.detach())

    def passes() -> Passed:
        if grains is not None:
            weights = [weight for weight in model.parameters() if weight.requires_grad]
            return grains.passed(partial(back, only=True), weights, batches, recipe.seed, done)
        count, tokens = world.total(sum(batch.count() for batch in batches), sum(batch.tokens() for batch in batches))
        # Dropout draws from (seed, step, rank) alone, so a resumed run repeats it.
        torch.manual_seed(mix(recipe.seed, done, world.reader))
        # Those that read average their gradients, so each multiplies by their number.
        scale, last, only = world.readers / max(count, 1e-9), len(batches) - 1, len(batches) == 1
        total = sum(back(batch, scale, number < last, only) for number, batch in enumerate(batches))
        return Passed(count, tokens, world.total(total)[0])

    count, tokens, total, data = replayed(passes, model, recipe, done, world)
    mean, norm = total / count if count else 0.0, float(total_norm(model.parameters(), world))
    finite = math.isfinite(mean) and math.isfinite(norm)
    takes, reason = finite and count > 0, "" if count else "it has no targets"
    if not finite:
        rest = "the norm of all gradients" if math.isfinite(mean) else "the loss of another process"
        reason = f"{blame(model, batches, recipe, precision, world) or rest} is not finite"
    if takes and (reason := spikes.look(mean, norm)):
        takes = False
    if takes:
        clip(optimizer, model.parameters(), norm, recipe.clip)
        for group in optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return Step(done + 1, int(tokens), mean, lr, norm, int(count), finite, int(not takes), reason=reason, data=data)


def blame(model: nn.Module, batches: Sequence[Batch], recipe: Recipe, precision: torch.dtype, world: World) -> str:
    """Return what of this process was first not finite in a step; the gradients are still there."""
    return state_fault(model) or pass_fault(model, batches, recipe.loss, world, precision) or gradient_fault(model)
