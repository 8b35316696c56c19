"""A rehearsal of a run: one step of the real trainer on tensors without memory, and what lived at its peak."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed as dist
from torch import nn

from trivium.base.batch import Batch, Stream
from trivium.lab.plan.live import Live
from trivium.model.adapt import adapt
from trivium.model.attention.attention import Attention
from trivium.model.attention.auto import Auto
from trivium.model.attention.kernel import SDPA, Eager
from trivium.model.stack import Block
from trivium.model.transformer import Transformer
from trivium.model.weights import slots
from trivium.train.average import KEY
from trivium.train.half import Halves, half_weights
from trivium.train.loss import token
from trivium.train.parallel.layout import ProcessGrid
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe
from trivium.train.recompute import recompute
from trivium.train.step import train_step

STEPS_AHEAD = 4
"""The steps whose rows are in memory: that which is computed, two that wait, and one that is being read."""

PASSING = ("activations", "backward", "head and loss")
"""The parts that come and go in a pass."""
LOST = 0.7
"""The share of these parts that gaps in the heap of the C library add to them on a CPU, as measured."""
FILES = 2
"""How often the bytes of the larger file of a checkpoint are in memory as it is written (safetensors), on a CPU."""


@dataclass(frozen=True)
class Needs:
    """The most bytes that the first rank needs, by part."""

    parts: dict[str, int]
    trained: int
    """Parameters that are trained."""

    @property
    def peak(self) -> int:
        """All parts together."""
        return sum(self.parts.values())


def rehearse(
    model: Transformer, batches: Sequence[Batch], recipe: Recipe, precision: torch.dtype, grid: ProcessGrid, cpu: bool
) -> Needs:
    """Return what a step on the micro-batches of the first rank of a grid needs, on a CPU or on an accelerator.

    Of a model that is split the rank has its share of weights, gradients and optimizer states, and while it computes a
    block all of that block and of the next; what neighbours save in activations is not taken off. The model loses its
    numbers.
    """
    live, travels = Live(), travelling(model, recipe, grid)
    with ranks(grid) as world, live, device_blocks(recipe, model, cpu):
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
        return _step(live, model, forward, optimizer, halves, batches, recipe, precision, world, cpu, grid, travels)


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
    grid: ProcessGrid,
    travels: int,
) -> Needs:
    trained = [one for one in model.parameters() if one.requires_grad]
    grads, count = set[int](), sum(one.numel() for one in trained)
    largest = sorted(batches, key=data_bytes)[-2:]  # gradients of the first stay while the second is computed

    def step(done: int) -> None:
        live.phase = "rest"
        gc.collect()
        live.begin()
        train_step(forward, model, optimizer, largest, 0.0, recipe, done, precision, world, halves)
        for one in trained if recipe.ema is not None else ():
            optimizer.state[one].setdefault(KEY, one.detach().clone())

    def enter(phase: str) -> Any:
        return lambda *_: setattr(live, "phase", phase)

    model.register_forward_pre_hook(enter("activations"))
    model.register_forward_hook(enter("head and loss"))
    optimizer.register_step_pre_hook(lambda *_: grads.update(live.numbers(one.grad for one in trained)))
    step(0)  # in it an optimizer makes what it keeps
    step(1)
    gc.collect()
    states = [one for state in optimizer.state.values() for one in state.values() if isinstance(one, torch.Tensor)]
    owned = {
        "weights": live.numbers(slot for slot, _ in slots(model).values()),
        "bf16 copies": live.numbers(halves.copies.values()),
        "optimizer states": live.numbers(states),
        "gradients": grads,
    }
    if world.size > 1 and not grid.splits:  # what lives on between steps and is none of these
        owned["gradient buckets"] = {one.number for one in live.held.values()}.difference(*owned.values())
    parts: Counter[str] = Counter()
    for held in live.at_peak():
        parts[next((name for name, numbers in owned.items() if held.number in numbers), held.phase)] += held.size
    names = (*owned, *PASSING, "rest")
    found = {name: parts[name] for name in names if parts[name]}
    share = grid.shard * grid.tensor
    shared = ("weights", "optimizer states", "gradients")
    found = {name: -(-size // share) if name in shared else size for name, size in found.items()}
    found |= {"blocks at work": travels} if travels else {}
    rows = {"rows": STEPS_AHEAD * sum(map(data_bytes, batches))}
    if not cpu:
        return Needs(found | rows, count)
    sizes = found["weights"], sum(one.nbytes for one in states) // share
    files = FILES * (sum(sizes) if grid.splits else max(sizes))  # one file has both where the model is split
    gaps = round(LOST * sum(found.get(name, 0) for name in PASSING))
    return Needs(found | {"gaps of the heap": gaps, "checkpoint": files} | rows, count)


@contextmanager
def ranks(grid: ProcessGrid) -> Iterator[World]:
    """Yield the first rank of a grid, whose other ranks are not there (PyTorch's `fake` process group)."""
    if (size := grid.replicate * grid.shard * grid.tensor) == 1:
        yield World()
        return
    import torch.testing._internal.distributed.fake_pg  # registers it  # noqa: F401

    dist.init_process_group("fake", store=dist.HashStore(), rank=0, world_size=size)
    try:
        yield World(0, size, mesh=grid if grid.splits else None, tensor=grid.tensor)
    finally:
        dist.destroy_process_group()


def travelling(model: Transformer, recipe: Recipe, grid: ProcessGrid) -> int:
    """Return the bytes of weights and gradients that are whole while a block of a split model is computed.

    That are those in no block, and those of two blocks, because the next one is on its way.
    """
    if not grid.splits or grid.readers == 1:
        return 0
    blocks = [sum(p.numel() for p in one.parameters()) for one in model.modules() if isinstance(one, Block)]
    rest = sum(one.numel() for one in model.parameters()) - sum(blocks)
    weight = 2 if recipe.precision == "bf16" else 4
    return (8 * rest + 2 * (weight + 4) * max(blocks, default=0)) // grid.tensor


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
    kept = token.BLOCK
    token.BLOCK = getattr(recipe.loss, "chunk_rows", 0) * max(model.config.vocab_size, 1)
    try:
        yield
    finally:
        token.BLOCK = kept


def data_bytes(batch: Batch) -> int:
    """Return the bytes of a micro-batch of numpy arrays."""
    sides: list[Stream] = [side for side in (batch.enc, batch.dec) if side is not None]
    arrays = [getattr(side, name) for side in sides for name in side.__dataclass_fields__]
    every = [*arrays, *batch.targets.values(), batch.weights]
    return sum(getattr(one, "nbytes", 0) for one in every)
