"""Several processes as one: started by torchrun, told by its environment, joined by gloo or nccl."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import distributed as dist
from torch import nn


@dataclass(frozen=True)
class World:
    """This process among all."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this process speaks and writes."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """Add numbers over all processes, in float64."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return total.tolist()

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            dist.barrier()

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model as it is called in a forward pass; its gradients are averaged over processes."""
        if self.size == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=ids)

    def alone(self, model: nn.Module, yes: bool) -> Any:
        """Keep gradients to oneself for a micro-batch that is not the last of its step."""
        return model.no_sync() if yes and self.size > 1 else nullcontext()  # type: ignore[operator, union-attr]


@contextmanager
def world(device: torch.device | None = None) -> Iterator[World]:
    """Join the processes torchrun started; alone where it did not."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    cuda = torch.cuda.is_available()
    if cuda and device is None:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    from trivium.model.device import pick

    device = device or pick()
    if size == 1 or dist.is_initialized():
        yield World(dist.get_rank(), dist.get_world_size(), device) if dist.is_initialized() else World(device=device)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), size, device)
    finally:
        dist.destroy_process_group()
