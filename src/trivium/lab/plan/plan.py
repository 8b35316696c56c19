"""The plan of a run: what each rank needs, how long it takes, what it costs, and what would make it fit."""

import copy
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, NamedTuple

import torch

from trivium.base.errors import ConfigError
from trivium.base.files import strict
from trivium.base.log import columns, figures, result
from trivium.data.loader import Loader
from trivium.lab.plan.device import CPU, TERA, Device, device
from trivium.lab.plan.rehearsal import Needs, rehearse
from trivium.lab.plan.subject import Planned, subject
from trivium.model.size import step_flops
from trivium.task.fit import largest
from trivium.task.run import count_steps
from trivium.train.loop import autocast_dtype, name_of
from trivium.train.parallel.layout import Parallelism, ProcessGrid, evenly
from trivium.train.recipe import Recipe

ROOM = 0.9
"""The share of the memory of a device that a run may need: the rest is for its driver, libraries and gaps."""
GIB = 2**30


@dataclass(frozen=True)
class RunPlan:
    """What a run needs. Memory is in bytes, on the first rank; money in the unit of the price."""

    device: Device
    processes: int
    grid: ProcessGrid
    precision: str
    parameters: int
    trained: int
    micro_rows: int
    rows: int
    """Rows of a step of all ranks."""
    length: int
    vocab_size: int
    real: bool
    """Whether the rows are those of the recipe."""
    memory: Needs
    change: str
    """The first change with which it would fit, or why none does; empty where it fits."""
    step_tokens: float
    step_flops: float
    """FLOPs of the model in a step of all ranks: what is computed again does not count."""
    step_seconds: float
    """Seconds of the rank with the most rows, at the stated MFU."""
    mfu: float
    steps: int | None
    """None where only the data tell: epochs of rows that are not here."""
    price: float | None

    @property
    def idle(self) -> int:
        """Processes that have no row in a step."""
        return max(0, self.grid.readers - self.rows) * self.grid.tensor

    @property
    def tokens_per_second(self) -> float:
        """Tokens that all ranks read in a second."""
        return self.step_tokens / self.step_seconds

    @property
    def hours(self) -> float | None:
        """Hours of all steps, without evaluation and saving."""
        return None if self.steps is None else self.steps * self.step_seconds / 3600

    @property
    def cost(self) -> float | None:
        """The price of all devices for these hours."""
        return None if self.hours is None or self.price is None else self.hours * self.processes * self.price

    def record(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        derived = ("idle", "tokens_per_second", "hours", "cost")
        found = {**asdict(self), "device": self.device._asdict(), **{name: getattr(self, name) for name in derived}}
        found["memory"]["peak"] = self.memory.peak
        found["grid"] = self.grid._asdict()
        return found


class Variant(NamedTuple):
    """A variant of a run: rows at a time, the share of blocks computed again, the type of products and the layout."""

    micro: int
    again: float
    precision: torch.dtype
    layout: Parallelism


class Trials:
    """The memory of variants of a run on one device, each rehearsed once."""

    def __init__(self, recipe: Recipe, found: Planned, processes: int, where: Device) -> None:
        self.recipe, self.found, self.processes, self.where = recipe, found, processes, where
        self.known: dict[Variant, Needs] = {}

    def loader(self, micro: int, grid: ProcessGrid) -> Loader:
        """Return the loader of the first rank."""
        rows, pad, seed = self.found.rows, self.found.pad, self.recipe.seed
        return Loader(rows, self.recipe.step_rows(self.found.length), micro, pad, seed, 0, grid.readers)

    def memory(self, micro: int, again: float, precision: torch.dtype, layout: Parallelism) -> Needs:
        """Return what micro-batches of so many rows need, with a share of blocks that are computed `again`."""
        if (key := Variant(micro, again, precision, layout)) not in self.known:
            model, made = copy.deepcopy(self.found.model), self.recipe.replace(recompute=again)
            cpu, grid = self.where.name == CPU, layout.grid(self.processes)
            self.known[key] = rehearse(model, self.loader(micro, grid).step(0), made, precision, grid, cpu)
        return self.known[key]

    def fits(self, micro: int, again: float, precision: torch.dtype, layout: Parallelism) -> bool:
        """Return whether they fit into the device."""
        return self.memory(micro, again, precision, layout).peak <= ROOM * self.where.memory

    def change(self, micro: int, precision: torch.dtype) -> str:
        """Return the first change with which the run fits, or why none of them is enough."""
        again, half, given = self.recipe.recompute, torch.bfloat16, self.recipe.parallel
        layouts = [given] + [Parallelism(shard=0)] * (self.processes > 1 and not given.splits)
        ways = ((again, precision), (1.0, precision), (again, half), (1.0, half))
        for layout, (share, kind) in product(layouts, ways):
            if rows := largest(micro, lambda rows: self.fits(rows, share, kind, layout)):  # noqa: B023
                words = {f"micro_rows={rows}": rows != micro, f"recompute={share:g}": share != again}
                words |= {"precision=bf16": kind != precision, "parallel.shard=0": layout != given}
                return " ".join(word for word, changed in words.items() if changed)
        parts = self.memory(1, 1.0, half, layouts[-1]).parts
        state = sum(parts.get(name, 0) for name in ("weights", "bf16 copies", "optimizer states", "gradients"))
        return (
            f"none: weights, gradients and optimizer states alone are {state / GIB:,.1f} GiB on each rank; take "
            "more devices with parallel.shard=0, a device with more memory, or a smaller model"
        )


def plan(
    recipe: Recipe,
    processes: int = 1,
    name: str = CPU,
    mfu: float = 0.4,
    price: float | None = None,
    memory: float | None = None,
    tflops: float | None = None,
) -> RunPlan:
    """Plan a run of `trivium train` on so many devices, one process each.

    `mfu` is the share of the device's most FLOP/s that the FLOPs of the model reach; `price` is of a device and hour;
    `memory` (GB) and `tflops` are in place of the device's. ConfigError: an unknown device, or a recipe whose model or
    rows are not here and cannot be made up.
    """
    if recipe.deterministic:
        raise ConfigError(
            "deterministic: the sums of grains are not planned; plan it with deterministic=false, and allow for some "
            "more gradients"
        )
    grid = recipe.parallel.grid(processes)
    where, found = device(name, processes, memory, tflops), subject(recipe)
    if grid.tensor > 1:
        evenly(found.model.config, grid.tensor)
    precision = torch.bfloat16
    if recipe.precision == "fp32" or (recipe.precision == "auto" and name == CPU):
        precision = autocast_dtype(recipe, torch.device(CPU))
    trials, every = Trials(recipe, found, processes, where), recipe.step_rows(found.length)
    most = -(-every // grid.readers)
    options = recipe.recompute, precision, recipe.parallel
    micro = min(recipe.micro_rows or largest(most, lambda rows: trials.fits(rows, *options)) or 1, most)
    needs, loader = trials.memory(micro, *options), trials.loader(micro, grid)
    batches = loader.step(0)
    held = sum(len(batch.stream.documents) for batch in batches)
    flops = step_flops(found.model.config, batches) / held
    seconds = most * flops / (where.flops(precision) * mfu * grid.tensor)
    steps = None if recipe.budget_epochs and not found.real else count_steps(recipe, loader)
    if recipe.budget_minutes is not None:
        steps = max(1, int(60 * recipe.budget_minutes / seconds))
    weights = [*found.model.parameters()]
    return RunPlan(
        device=where,
        processes=processes,
        grid=grid,
        precision=name_of(precision),
        parameters=sum(one.numel() for one in weights),
        trained=needs.trained,
        micro_rows=micro,
        rows=every,
        length=found.length,
        vocab_size=found.model.config.vocab_size,
        real=found.real,
        memory=needs,
        change="" if trials.fits(micro, *options) else trials.change(micro, precision),
        step_tokens=every * sum(batch.tokens() for batch in batches) / held,
        step_flops=every * flops,
        step_seconds=seconds,
        mfu=mfu,
        steps=steps,
        price=price,
    )


def tell(made: RunPlan, as_json: bool) -> None:
    """Print a plan, as lines or as one JSON object."""
    for line in [json.dumps(strict(made.record()))] if as_json else lines(made):
        result(line)


def lines(made: RunPlan) -> Iterator[str]:
    """Yield a plan as lines for people."""
    where, parts = made.device, made.memory
    yield f"{made.processes} x {where.name}: {where.about}"
    trained = "" if made.trained == made.parameters else f", {made.trained:,} of them trained"
    yield f"parameters      {made.parameters:,}{trained}"
    rows = f"{made.micro_rows} of {made.rows} rows of {made.length:,} tokens at a time"
    yield f"MiB of the first rank, {rows}, {made.precision}:"
    table = [*parts.parts.items(), ("all", parts.peak)]
    yield from (f"  {line}" for line in columns([(name, f"{size / 2**20:,.1f}") for name, size in table]))
    have = f"of {where.memory / GIB:,.1f} GiB, of which {ROOM:.0%} may be used"
    yield f"fits            {'no' if made.change else 'yes'}: {parts.peak / GIB:,.2f} GiB {have}"
    if made.change:
        yield f"would fit with  {made.change}"
    yield f"step            {made.step_tokens:,.0f} tokens, {made.step_flops:.3g} FLOPs, {figures(made.step_seconds)} s"
    most = where.flops(torch.bfloat16 if made.precision == "bf16" else torch.float32) / TERA
    yield f"tokens/s        {figures(made.tokens_per_second)} at an MFU of {made.mfu:g} of {most:,.4g} TFLOP/s a device"
    if made.hours is None:
        yield "hours           unknown: the budget is in epochs, and the data are not here"
    else:
        cost = "" if made.cost is None else f"; {figures(made.cost)} at {made.price:g} a device and hour"
        yield f"hours           {figures(made.hours)} for {made.steps:,} steps{cost}"
    if not made.real:
        words = f"of a vocabulary of {made.vocab_size:,} (model.vocab_size; a run takes that of its data)"
        yield f"the data are not here: rows are two made-up documents that fill them, {words}"
    if made.idle:
        yield f"{made.idle} of {made.processes} processes have no row in a step: raise batch_tokens"
    if made.grid.splits:
        words = ", ".join(f"{name} {size}" for name, size in made.grid._asdict().items())
        yield f"processes       {words}; activations are as without tensor, which needs fewer"
    elif made.processes > 1:
        yield "each rank has all weights, gradients and optimizer states (data parallelism); parallel.shard splits them"
