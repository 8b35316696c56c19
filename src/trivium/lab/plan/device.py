"""The devices that a run is planned for: their memory, and how many products they do in a second."""

from typing import NamedTuple

import torch

from trivium.base.errors import ConfigError
from trivium.base.explain import closest
from trivium.model.device import memory_bytes, product_flops

GB, TERA = 10**9, 10**12


class Device(NamedTuple):
    """One accelerator, or the share of this machine that one process has."""

    name: str
    about: str
    memory: float
    """Bytes."""
    half: float
    """The most FLOP/s of dense matrix products in bfloat16."""
    full: float
    """The most FLOP/s in float32, without TF32, which PyTorch does not use unasked."""

    def flops(self, precision: torch.dtype) -> float:
        """Return the most FLOP/s of products in a type."""
        return self.half if precision == torch.bfloat16 else self.full


KNOWN = {
    one.name: one
    for one in (
        Device("h100", "NVIDIA H100 SXM (data sheet, without sparsity)", 80 * GB, 989.5 * TERA, 67 * TERA),
        Device("h200", "NVIDIA H200 SXM (data sheet, without sparsity)", 141 * GB, 989.5 * TERA, 67 * TERA),
        Device("a100", "NVIDIA A100 80 GB (data sheet, without sparsity)", 80 * GB, 312 * TERA, 19.5 * TERA),
        Device("l40s", "NVIDIA L40S (data sheet, without sparsity)", 48 * GB, 362 * TERA, 91.6 * TERA),
        Device("rtx4090", "NVIDIA GeForce RTX 4090 (Ada white paper, dense)", 24 * GB, 165.2 * TERA, 82.6 * TERA),
    )
}
"""The devices by name. A gigabyte is 10^9 bytes here: what a driver takes is not in it."""
CPU = "cpu"


def device(name: str, processes: int, memory: float | None = None, tflops: float | None = None) -> Device:
    """Return a device of the table, or `cpu`: an equal share of this machine for each of its processes.

    `memory` (GB) and `tflops` take the place of what the table says, or of what was measured here. A ConfigError lists
    the names that are known.
    """
    if name != CPU and name not in KNOWN:
        known = ", ".join([CPU, *KNOWN])
        raise ConfigError(
            f"--device: expected one of {known}, found {name!r}{closest(name, [CPU, *KNOWN])}; for another device "
            "name the one it is most like, with --memory and --tflops"
        )
    found = KNOWN.get(name) or here(processes)
    if memory is not None:
        found = found._replace(memory=memory * GB)
    if tflops is not None:
        found = found._replace(half=tflops * TERA, full=tflops * TERA)
    return found


def here(processes: int) -> Device:
    """Return the share of this machine that one of its processes has; products are measured."""
    whole = memory_bytes(torch.device(CPU))
    half, full = (product_flops(dtype) for dtype in (torch.bfloat16, torch.float32))
    about = f"a process of this machine ({torch.get_num_threads()} threads, products measured)"
    return Device(CPU, about, (whole or float("inf")) / processes, half / processes, full / processes)
