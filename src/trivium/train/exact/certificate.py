"""The certificate of a deterministic run: what each step read and computed, in lines that are chained by their hashes.

`certificate.jsonl` has a line for each step: the hash of its data, its loss, gradient norm and learning rate, the
grains, the threads and the version of torch; and of each step that is saved the hash of the weights. A line ends with
the hash of itself and of the line before, so no line can be changed alone. `trivium verify` runs the steps again.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trivium.base.errors import ConfigError, DataError
from trivium.base.files import strict
from trivium.base.log import warn
from trivium.model.weights import collect
from trivium.train.exact.grain import Grains, words
from trivium.train.run import Metrics
from trivium.train.step import Step

FILE = "certificate.jsonl"
RESULTS = ("loss", "norm", "weights")
"""What a line keeps of the computation; the bits of the weights decide them all."""
MACHINE = ("threads", "torch", "cpu")
"""What a line keeps of the machine, on which the bits depend."""


def machine() -> dict[str, Any]:
    """Return on what the bits of a step depend besides recipe and data."""
    cpu = torch.backends.cpu.get_cpu_capability()
    return {"threads": torch.get_num_threads(), "torch": torch.__version__, "cpu": cpu}


def hashed(model: nn.Module) -> str:
    """Return the SHA-256 of the weights of a model, with their names and shapes."""
    digest = hashlib.sha256()
    for name, tensor in collect(model).items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.flatten().view(torch.uint8).numpy()).data)
    return digest.hexdigest()


def entry(step: Step, grains: Grains, model: nn.Module | None) -> dict[str, Any]:
    """Return the line of a step without its hash, with the hash of the weights where a model is given."""
    line = {"step": step.step, "data": step.data, "loss": step.loss, "norm": step.norm, "lr": step.lr}
    line |= {"grain_rows": grains.rows, "grains": grains.count, **machine()}
    return strict(line | ({} if model is None else {"weights": hashed(model)}))  # type: ignore[no-any-return]


def link(before: str, line: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a line, and of the hash of the line before it."""
    return hashlib.sha256(f"{before}\n{json.dumps(line, sort_keys=True)}".encode()).hexdigest()


class Certificate:
    """The certificate of a run while it is written; a run without grains has none, and all this does nothing."""

    def __init__(
        self, folder: Path, grains: Grains | None, model: nn.Module, start: int, state: Mapping[str, Any]
    ) -> None:
        """`state` is that of the checkpoint from which the run goes on after step `start`.

        Raise ConfigError where the run had another number of threads, and where the processes do not begin with the
        same weights; another machine is a warning.
        """
        self.grains, self.chain = grains, ""
        if grains is None:
            return
        _agreed(model, grains)
        kept, here = state.get("certificate", {}), machine()
        if kept and kept["threads"] != here["threads"]:
            raise ConfigError(
                f"deterministic: the run has {kept['threads']} threads and this process {here['threads']}; "
                f"set OMP_NUM_THREADS={kept['threads']}"
            )
        for name in MACHINE[1:]:
            if kept and kept[name] != here[name] and grains.world.first:
                warn(
                    f"deterministic: {name} was {kept[name]} and is now {here[name]}; the bits may differ from here on"
                )
        self.lines = Metrics(folder / FILE, start if kept else -1, grains.world.first)
        if kept:
            self.chain = kept["chain"]
        elif grains.world.first:
            self._write(entry(Step(start), grains, model))

    def add(self, step: Step, model: nn.Module | None) -> None:
        """Write the line of a step, with the hash of the weights of `model` where it is saved."""
        if self.grains is not None and self.grains.world.first:
            self._write(entry(step, self.grains, model))

    def _write(self, line: dict[str, Any]) -> None:
        self.chain = link(self.chain, line)
        self.lines.write(**line, chain=self.chain)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {} if self.grains is None else {"certificate": {"chain": self.chain, **machine()}}


def _agreed(model: nn.Module, grains: Grains) -> None:
    if grains.world.size == 1:
        return
    own = words(bytes.fromhex(hashed(model)))
    found = grains.world.every(own)
    for rank in range(grains.world.size):
        if found[rank * len(own) : (rank + 1) * len(own)] != found[: len(own)]:
            raise ConfigError(
                f"deterministic: process {rank} does not begin with the weights of process 0; a kind of your own that "
                "draws weights must draw from torch alone"
            )


def read_certificate(run: Path) -> dict[int, dict[str, Any]]:
    """Return the lines of the certificate of a run by their steps. A DataError for a run that has none."""
    path = run / FILE
    if not path.is_file():
        raise DataError(f"{path}: no such file: only a run with deterministic=true has a certificate")
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {int(line["step"]): line for line in lines}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: a line is no JSON object with a step: {error}; the certificate is damaged") from error


def sealed(run: Path) -> dict[str, Any]:
    """Return what a model keeps of the certificate of its run: its steps, its last hash and that of the weights."""
    last = max(read_certificate(run).items())[1]
    return {"steps": last["step"], **{name: last[name] for name in ("chain", "weights", *MACHINE)}}
