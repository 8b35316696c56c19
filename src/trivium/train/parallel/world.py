"""Data parallelism over several processes: `--processes` or torchrun starts them, gloo or nccl connects them."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import torch
from torch import distributed as dist
from torch import nn

from trivium.base.errors import LostRank
from trivium.base.process import heard
from trivium.model.device import pick
from trivium.train.guard.watch import Watch
from trivium.train.parallel.layout import Parallelism, ProcessGrid

FAILED = re.compile("gloo|NCCL|TCPStore|[Ss]ocket|Broken pipe|Connection")
"""What the message of a collective that failed has in it."""


@dataclass(frozen=True)
class World:
    """The rank of this process, the number of processes and the device of this one."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    watch: Watch | None = field(default=None, repr=False, compare=False)
    """What is known of the others, where there are some."""
    mesh: Any = field(default=None, repr=False, compare=False)
    """The processes as a mesh of the dimensions `replicate`, `shard` and `tensor`, where they split a model."""
    tensor: int = 1
    """How many neighbours compute one matrix together, on the same rows."""

    @property
    def reader(self) -> int:
        """The number of this process among those that read rows of their own; neighbours have the same."""
        return self.rank // self.tensor

    @property
    def readers(self) -> int:
        """How many processes read rows of their own."""
        return self.size // self.tensor

    @property
    def speaks(self) -> bool:
        """Whether this process counts what was read, for its neighbours too."""
        return self.rank % self.tensor == 0

    @property
    def first(self) -> bool:
        """Whether this process prints and writes files."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """Return the sums of numbers over all processes, in float64."""
        if self.size == 1:
            return list(values)
        self._meet()
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return total.tolist()

    def total(self, *values: float) -> list[float]:
        """Return the sums of what was read; those that read the same rows count once."""
        return self.sum(*(value * self.speaks for value in values))

    def every(self, values: Sequence[float]) -> list[float]:
        """Return the numbers of all processes in the order of their ranks, in float64; each may have another count."""
        counts = self.sum(*(float(len(values) * (rank == self.rank)) for rank in range(self.size)))
        before, total = (int(sum(counts[:end])) for end in (self.rank, self.size))
        return self.sum(*[0.0] * before, *values, *[0.0] * (total - before - len(values))) if total else []

    def any(self, text: str) -> str:
        """Return the text of this process; where only others have one, a hint at them."""
        somewhere = self.sum(float(bool(text)))[0] > 0  # every process must ask
        return text or ("a number of another process" if somewhere else "")

    def wait(self) -> None:
        """Wait until every process calls this."""
        if self.size > 1:
            self._meet()
            dist.barrier()

    def _meet(self) -> None:
        if self.watch is not None:
            self.watch.met += 1

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the module to call in a forward pass; backward averages its gradients over all that read.

        A model that is split does so by itself (`spread`).
        """
        if self.size == 1 or self.mesh is not None:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=ids)

    def alone(self, model: nn.Module, yes: bool) -> Any:
        """Skip the average of gradients in a block if `yes`: for all micro-batches of a step but the last.

        A model that is split averages after each: what is not averaged yet would be whole on every process.
        """
        skips = yes and self.size > 1 and self.mesh is None
        return model.no_sync() if skips else nullcontext()  # type: ignore[operator, union-attr]

    def autocast(self, precision: torch.dtype) -> torch.autocast:
        """Compute matrix products in `precision`; float32 changes nothing."""
        return torch.autocast(self.device.type, dtype=precision, enabled=precision != torch.float32)


@contextmanager
def world(
    device: torch.device | None = None, seconds: float = 600.0, layout: Parallelism = Parallelism()
) -> Iterator[World]:
    """Connect the processes that a launcher started; without one the world is this process alone.

    Raise ConfigError for a layout into which their number does not divide. Each waits for the others for `seconds`,
    then raises LostRank (exit code 5), which names those that are lost.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    cuda = torch.cuda.is_available()
    if cuda and device is None:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    device, grid = device or pick(), layout.grid(size)
    if size == 1 or dist.is_initialized():
        yield World(dist.get_rank(), dist.get_world_size(), device) if dist.is_initialized() else World(device=device)
        return
    limit, until = timedelta(seconds=seconds), time.monotonic() + seconds
    try:
        store, rank, _ = heard(lambda: next(dist.rendezvous("env://", timeout=limit)), seconds)
    except (dist.DistError, TimeoutError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise LostRank(f"{where}: nobody answers there (timeout_seconds={seconds:g}); is the launcher gone?") from error
    watch = Watch(store, rank, size, seconds, hosted=rank == 0 and "TORCHELASTIC_USE_AGENT_STORE" not in os.environ)
    try:
        backend = "nccl" if device.type == "cuda" else "gloo"
        group = partial(dist.init_process_group, world_size=size, timeout=limit)
        try:
            heard(partial(group, backend, store=store, rank=rank), until - time.monotonic())
        except TimeoutError:  # gloo waits so long for each of its several steps
            raise watch.lost() from None
        yield World(rank, size, device, watch, mesh_of(grid, device, limit), grid.tensor)
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or FAILED.search(str(error))):
            raise
        raise watch.lost() from None
    finally:
        watch.close()
        if dist.is_initialized():
            dist.destroy_process_group()


def mesh_of(grid: ProcessGrid, device: torch.device, limit: timedelta) -> Any:
    """Return the mesh of a grid that splits a model, and None for one of whole copies; nobody waits beyond a limit."""
    if not grid.splits:
        return None
    from torch.distributed.device_mesh import init_device_mesh

    mesh = init_device_mesh(device.type, tuple(grid), mesh_dim_names=grid._fields)
    for group in mesh.get_all_groups():
        dist.distributed_c10d._set_pg_timeout(limit, group)  # a mesh takes none
    return mesh


def meeting(world: World) -> Any:
    """Return a group in which processes that split a model meet to save it, whatever else they do meanwhile."""
    if world.mesh is None:
        return None
    return dist.new_group(backend="gloo", timeout=timedelta(seconds=world.watch.seconds if world.watch else 600.0))
