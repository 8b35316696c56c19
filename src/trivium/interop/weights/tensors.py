"""Tensors in safetensors files, single or sharded. Knows files alone; nothing here unpickles."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from trivium.base import files
from trivium.base.errors import ModelError, TriviumError
from trivium.model.weights import State

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD_BYTES = 5_000_000_000
PICKLED = (
    "pickled weights are never read, they can run code; these two lines of Python convert what you trust: "
    "import torch, safetensors.torch; safetensors.torch.save_file({{k: v.clone().contiguous() for k, v in "
    "torch.load({file!r}, weights_only=True).items()}}, {new!r}, {{'format': 'pt'}})"
)


def read(folder: Path, dtype: torch.dtype | None = torch.float32) -> State:
    """Read every tensor of a folder, floating ones as `dtype` (None: as stored)."""
    state: State = {}
    for file in _present(folder):
        state |= read_file(file, dtype)
    return state


def read_file(file: Path, dtype: torch.dtype | None = None) -> State:
    """Read every tensor of a file, floating ones as `dtype` (None: as stored)."""
    state: State = {}
    with _opened(file) as handle:
        for key in handle.keys():  # noqa: SIM118  (not a dict)
            tensor = handle.get_tensor(key)
            state[key] = tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor
    return state


def shapes(folder: Path) -> dict[str, list[int]]:
    """Return the shape of every tensor of a folder; reads the heads of the files alone."""
    found: dict[str, list[int]] = {}
    for file in _present(folder):
        with _opened(file) as handle:
            found |= {key: handle.get_slice(key).get_shape() for key in handle.keys()}  # noqa: SIM118  (not a dict)
    return found


def _present(folder: Path) -> list[Path]:
    found = _files(folder)
    if absent := [file for file in found if not file.is_file()]:
        raise ModelError(f"{absent[0]}: no such file, but {INDEX} names it")
    return found


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safe_open(file, framework="pt") as handle:
            yield handle
    except (SafetensorError, OSError) as broken:
        raise ModelError(f"{file}: not a whole safetensors file: {broken}; download or save it again") from broken


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        index = files.read_json(folder / INDEX, ModelError)
        table = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(table, dict) or not all(isinstance(name, str) for name in table.values()):
            raise ModelError(f"{folder / INDEX}: expected a weight_map from keys to files")
        names = sorted(set(table.values()))
        if strange := [name for name in names if Path(name).name != name]:
            raise ModelError(f"{folder / INDEX}: expected plain file names, found {strange[0]!r}")
        return [folder / name for name in names]
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    pickled = sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")])
    if pickled:
        raise ModelError(f"{pickled[0]}: {PICKLED.format(file=str(pickled[0]), new=str(folder / SINGLE))}")
    raise ModelError(f"{folder / SINGLE}: no such file, and no {INDEX} either")


def write(folder: Path, state: State, shard_bytes: int = SHARD_BYTES) -> None:
    """Write a state as one file, or as several of at most `shard_bytes` and their index; a tensor is never cut."""
    groups: list[State] = [{}]
    for name, tensor in state.items():
        if groups[-1] and sum(one.nbytes for one in groups[-1].values()) + tensor.nbytes > shard_bytes:
            groups.append({})
        groups[-1][name] = tensor
    if len(groups) == 1:
        write_file(folder / SINGLE, state)
        return
    table: dict[str, str] = {}
    for number, group in enumerate(groups, start=1):
        name = f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        write_file(folder / name, group)
        table.update(dict.fromkeys(group, name))
    total = sum(tensor.nbytes for tensor in state.values())
    files.write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": table})


def write_file(file: Path, state: State) -> None:
    """Write a state as one file, and flush it to the disk."""
    try:
        file.touch()
        mode = file.stat().st_mode  # safetensors would make it unreadable to others
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, file, metadata={"format": "pt"})
        file.chmod(mode)
        with open(file, "rb+") as handle:
            os.fsync(handle.fileno())
    except (SafetensorError, OSError) as failed:
        raise TriviumError(f"{file}: cannot write: {failed}; nothing was changed") from failed
