"""Where numbers live: the one step from numpy to torch, and what this machine computes fast in."""

import time
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from trivium.base.batch import Batch, Stream


def pick() -> torch.device:
    """The accelerator of this process if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def place(batch: Batch, device: torch.device | str = "cpu") -> Batch:
    """Move a batch of numpy arrays to a device."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)

    def stream(side: Stream | None) -> Stream | None:
        if side is None:
            return None
        types = None if side.types is None else tensor(side.types)
        return replace(
            side, ids=tensor(side.ids), positions=tensor(side.positions), documents=tensor(side.documents), types=types
        )

    return Batch(
        stream(batch.enc),
        stream(batch.dec),
        {head: tensor(target) for head, target in batch.targets.items()},
        None if batch.weights is None else tensor(batch.weights),
    )


@cache
def bf16_gain(device_type: str = "cpu") -> float:
    """How much faster a bfloat16 matrix product is than a float32 one here: measured, because flags lie."""
    device = torch.device(device_type)
    seconds: dict[torch.dtype, float] = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(1024, 1024, device=device).to(dtype) for _ in range(2))
        best = float("inf")
        for _ in range(4):
            start = time.perf_counter()
            (a @ b).sum().item()
            best = min(best, time.perf_counter() - start)
        seconds[dtype] = best
    return seconds[torch.float32] / seconds[torch.bfloat16]
