"""Devices: the one step from numpy to torch, the fast dtype of this machine, and the mode of evaluation."""

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trivium.base.batch import Batch, Stream


class Placed(nn.Module):
    """A module that tells where its weights are, all of them on one device and in one dtype."""

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return next(self.parameters()).dtype


def pick() -> torch.device:
    """Return the accelerator of this process, or the CPU where there is none."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def memory_bytes(device: torch.device) -> int | None:
    """Return the bytes of memory of a device, None where nothing tells; on the CPU, the most that the system has."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    found = []
    with suppress(OSError, ValueError, AttributeError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):  # "max" is no limit
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(found, default=None)


def used_bytes() -> int | None:
    """Return the bytes that this process holds: the most so far on an accelerator, else what is resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    with suppress(OSError, ValueError, IndexError):  # only Linux tells it in files
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None


def free_bytes(device: torch.device) -> int | None:
    """Return the bytes of memory that nothing uses, None where nothing tells; on the CPU, without giving up files."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = []
    with suppress(OSError, ValueError, IndexError):  # only Linux tells it in files
        told = Path("/proc/meminfo").read_text().split("MemAvailable:")[1]
        found.append(int(told.split()[0]) * 1024)
    with suppress(OSError, ValueError, IndexError):  # "max" is no limit
        group = Path("/sys/fs/cgroup")
        cached = int((group / "memory.stat").read_text().split("inactive_file ")[1].split()[0])
        used = int((group / "memory.current").read_text()) - cached
        found.append(int((group / "memory.max").read_text()) - used)
    return max(0, min(found)) if found else None


def place(batch: Batch, device: torch.device | str = "cpu") -> Batch:
    """Return a batch of numpy arrays as tensors on a device."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)

    def stream(side: Stream | None) -> Stream | None:
        if side is None:
            return None
        arrays = ("ids", "positions", "documents", "types", "prefix", "patches", "places")
        given = {name: getattr(side, name) for name in arrays}
        placed: dict[str, Any] = {name: tensor(array) for name, array in given.items() if array is not None}
        return replace(side, **placed)

    targets = {head: tensor(target) for head, target in batch.targets.items()}
    weights = None if batch.weights is None else tensor(batch.weights)
    return Batch(stream(batch.enc), stream(batch.dec), targets, weights)


def cast(x: torch.Tensor) -> torch.Tensor:
    """Return x in the type of products under autocast, which would cast it anew for each matrix that reads it."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


@cache
def reuse_memory() -> None:
    """Make the C library keep freed blocks of every size.

    A step of training or writing allocates the same sizes again and again; memory given back to the system costs a
    page fault for every 4 KiB when it returns: 60 ms for the gradient of a table of 50,304 x 768.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # not every C library has mallopt
            library = ctypes.CDLL(None)
            library.mallopt(-4, 0)  # M_MMAP_MAX: no block is a mapping of its own
            library.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


PRODUCT = {"cpu": 1024, "cuda": 8192}
"""The rows and columns of the matrices by which the speed of a device is measured."""


@cache
def product_flops(dtype: torch.dtype, device_type: str = "cpu") -> float:
    """Return the FLOP/s of a matrix product on a device, the best of four."""
    size, best = PRODUCT.get(device_type, 1024), float("inf")
    a, b = (torch.ones(size, size, dtype=dtype, device=device_type) for _ in range(2))
    for _ in range(4):
        start = time.perf_counter()
        product = a @ b
        if device_type != "cpu":
            product[0, 0].item()  # waits for it
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best


@cache
def bf16_gain(device_type: str = "cpu") -> float:
    """Return how many times faster a bfloat16 matrix product is here than a float32 one, as measured."""
    return product_flops(torch.bfloat16, device_type) / product_flops(torch.float32, device_type)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run a block without dropout and without gradients; restore the mode of each module afterwards."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
