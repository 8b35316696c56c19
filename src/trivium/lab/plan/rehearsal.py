"""A rehearsal of a run: one step of the real trainer on tensors without memory, and what lived at its peak."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import distributed as dist
from torch import nn

from trivium.base.batch import Batch, Stream
from trivium.lab.plan.live import Live
from trivium.model.adapt import adapt
from trivium.model.attention.attention import Attention
from trivium.model.attention.auto import Auto
from trivium.model.attention.kernel import SDPA, Eager
from trivium.model.transformer import Transformer
from trivium.model.weights import slots
from trivium.train.average import KEY
from trivium.train.half import Halves, half_weights
from trivium.train.loss import token
from trivium.train.parallel import World
from trivium.train.recipe import Recipe
from trivium.train.recompute import recompute
from trivium.train.step import train_step

STEPS_AHEAD = 4
"""The steps whose rows are in memory: that which is computed, two that wait, and one that is being read."""


@dataclass(frozen=True)
class Memory:
    """The bytes of one rank at the peak of a step, by part."""

    step: dict[str, int]
    trained: int
    """Parameters that are trained."""
    saving: dict[str, int] = field(default_factory=dict)
    """The same while the first rank writes a checkpoint; empty where that is in the memory of the host."""

    @property
    def peak(self) -> int:
        """The most bytes that are needed."""
        return max(sum(self.step.values()), sum(self.saving.values()))


def rehearse(
    model: Transformer, batches: Sequence[Batch], recipe: Recipe, precision: torch.dtype, size: int, cpu: bool
) -> Memory:
    """Return what a step on the micro-batches of the first of `size` ranks needs, on a CPU or on an accelerator.

    The model loses its numbers.
    """
    live = Live()
    with ranks(size) as world, live, device_blocks(recipe, model, cpu):
        for tensor, places in slots(model).values():
            made: Any = live.hollow(tensor)
            made = nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else made
            for place in places:
                path, _, leaf = place.rpartition(".")
                setattr(model.get_submodule(path), leaf, made)
        if recipe.lora is not None:
            adapt(model, recipe.lora)
        for part in () if cpu else model.modules():
            if isinstance(part, Attention) and isinstance(part.kernel, Auto):
                part.kernel = SDPA() if part.config.softcap is None else Eager()  # what it takes there
        recompute(model.train(), recipe.recompute)
        optimizer = recipe.optim.chosen(model, recipe.batch_tokens).build(model)
        live.phase = "gradient buckets"
        forward = world.wrap(model)
        if isinstance(forward, nn.parallel.DistributedDataParallel):
            forward.register_comm_hook(None, sent)
        halves = half_weights(model, optimizer, precision, world) if cpu else Halves()
        return _step(live, model, forward, optimizer, halves, batches, recipe, precision, world, cpu)


def _step(
    live: Live,
    model: Transformer,
    forward: nn.Module,
    optimizer: torch.optim.Optimizer,
    halves: Halves,
    batches: Sequence[Batch],
    recipe: Recipe,
    precision: torch.dtype,
    world: World,
    cpu: bool,
) -> Memory:
    trained = [one for one in model.parameters() if one.requires_grad]
    for one in trained:  # an optimizer makes what it keeps in its first step
        one.grad = torch.empty_like(one)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if recipe.ema is not None:
        for one in trained:
            optimizer.state[one][KEY] = torch.empty_like(one)
    grads, count = set[int](), sum(one.numel() for one in trained)

    def note(*_: Any) -> None:
        grads.update(live.numbers(one.grad for one in trained))

    def enter(phase: str) -> Any:
        return lambda *_: setattr(live, "phase", phase)

    model.register_forward_pre_hook(enter("activations"))
    model.register_forward_hook(enter("head and loss"))
    optimizer.register_step_pre_hook(note)
    live.phase = "rest"
    gc.collect()
    live.begin()
    largest = sorted(batches, key=data_bytes)[-2:]  # gradients of the first stay while the second is computed
    train_step(forward, model, optimizer, largest, 0.0, recipe, 0, precision, world, halves)
    owned = {
        "weights": live.numbers(slot for slot, _ in slots(model).values()),
        "bf16 copies": live.numbers(halves.copies.values()),
        "optimizer states": live.numbers(
            one for state in optimizer.state.values() for one in state.values() if isinstance(one, torch.Tensor)
        ),
        "gradients": grads,
    }
    parts: Counter[str] = Counter()
    for held in live.at_peak():
        name = next((name for name, numbers in owned.items() if held.number in numbers), held.phase)
        parts[name] += held.size
    parts["rows"] = STEPS_AHEAD * sum(map(data_bytes, batches))
    names = (*owned, "gradient buckets", "activations", "backward", "head and loss", "rows")
    step = {name: parts.pop(name) for name in names if parts.get(name)}
    step |= {"rest": sum(parts.values())} if sum(parts.values()) else {}
    if not cpu:
        return Memory(step, count)
    kept = {name: step[name] for name in ("weights", "bf16 copies", "optimizer states", "gradient buckets", "rows") if name in step}
    return Memory(step, count, {**kept, "files in memory": 2 * step.get("optimizer states", 0)})


@contextmanager
def ranks(size: int) -> Iterator[World]:
    """Yield the first rank of a world of so many, whose other ranks are not there (PyTorch's `fake` process group)."""
    if size == 1:
        yield World()
        return
    import torch.testing._internal.distributed.fake_pg  # registers it  # noqa: F401

    dist.init_process_group("fake", store=dist.HashStore(), rank=0, world_size=size)
    try:
        yield World(0, size)
    finally:
        dist.destroy_process_group()


def sent(_: Any, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Take gradients as averaged: the ranks they would go to are not there."""
    done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    done.set_result(bucket.buffer())
    return done


@contextmanager
def device_blocks(recipe: Recipe, model: Transformer, cpu: bool) -> Iterator[None]:
    """Let a loss softmax all scores of a chunk together, as it does on an accelerator; on a CPU change nothing."""
    if cpu:
        yield
        return
    whole = getattr(recipe.loss, "chunk_rows", 0) * max(model.config.vocab_size, 1)
    with patch.object(token, "BLOCK", whole):
        yield


def data_bytes(batch: Batch) -> int:
    """Return the bytes of a micro-batch of numpy arrays."""
    sides: list[Stream] = [side for side in (batch.enc, batch.dec) if side is not None]
    arrays = [getattr(side, name) for side in sides for name in side.__dataclass_fields__]
    every = [*arrays, *batch.targets.values(), batch.weights]
    return sum(getattr(one, "nbytes", 0) for one in every)
