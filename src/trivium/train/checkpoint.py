"""Checkpoints: weights and optimizer as safetensors, the rest as JSON, each file with its hash; no pickle.

    checkpoints/step-00001000/   model.safetensors  optim.safetensors  state.json  manifest.json

Of a split model each process writes a file `shard-...safetensors` with its parts instead of the two (parallel/store).
A checkpoint is written under a temporary name and renamed when it is complete. The newest one that verifies
counts; no file points to it.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from trivium.base.errors import ModelError, TriviumError
from trivium.base.files import publishing, read_json, write_json, writing, xxh3
from trivium.base.log import say, warn
from trivium.base.version import FORMAT, readable
from trivium.model.weights import collect, fill, slots
from trivium.train.parallel.part import split
from trivium.train.parallel.world import World, meeting

FILES = ("model.safetensors", "optim.safetensors", "state.json")
PART = "shard-"
"""How the names of the files of a split model begin."""
FAILED_SAVES_LIMIT = 3
DAMAGED, LEFT = "damaged", "left"
"""What the names of checkpoints that no longer count begin with."""
_NAME = re.compile(r"step-(\d{8})")


def _flatten(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return what an optimizer keeps by `index.name`: tensors where they are, and plain values."""
    state = optimizer.state_dict()
    tensors, plain = {}, {}
    for index, entries in state["state"].items():
        for key, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{key}"] = value.detach()
            else:
                plain[f"{index}.{key}"] = value
    return tensors, plain


def save_checkpoint(
    root: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
    keep: int,
    best: int = 0,
    minutes: float | None = None,
) -> Path:
    """Write the checkpoint of a step and verify it; return its folder.

    Remove the others but the `keep` newest, the `best`, and those that are younger than `minutes`.
    """
    folder = _folder(root, step)
    tensors, plain = _flatten(optimizer)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    with publishing(folder) as temporary:
        for name, content in (("model.safetensors", collect(model)), ("optim.safetensors", tensors)):
            with writing(temporary / name) as handle:
                handle.write(save(content, metadata={"format": "pt"}))
        _seal(temporary, step, {**state, "step": step, "optim": plain})
    verify(folder)
    _prune(root, keep, best, minutes)
    return folder


def _seal(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write what is no tensor, and the hash of each file."""
    write_json(folder / "state.json", state)
    hashes = {path.name: xxh3(path) for path in sorted(folder.iterdir())}
    write_json(folder / "manifest.json", {"format": FORMAT, "step": step, "xxh3_128": hashes})


def _prune(root: Path, keep: int, best: int, minutes: float | None) -> None:
    oldest = time.time() - 60 * (minutes or 0.0)
    for old in sorted(one for one in checkpoints(root) if one != best)[: -max(keep, 1)]:
        if minutes is None or _folder(root, old).stat().st_mtime < oldest:
            shutil.rmtree(_folder(root, old), ignore_errors=True)


class Saver:
    """The checkpoints of one run. A failed save is a warning, and the next save tries again.

    The third failure in a row and a failed `final` save are errors: the run ends, because its work cannot be saved.
    """

    def __init__(
        self, root: Path, keep: int, minutes: float | None = None, world: World = World(), later: bool = False
    ) -> None:
        """`keep` and `minutes` are those of `save_checkpoint`; with `later` a split model goes on while it is saved."""
        self.root, self.keep, self.minutes, self.world, self.failed = root, keep, minutes, world, 0
        self.later, self.pending, self.group = later, list[Callable[[], None]](), meeting(world)

    def save(
        self,
        step: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        state: dict[str, Any],
        final: bool,
        best: int = 0,
    ) -> None:
        """Save the checkpoint of a step, or warn; that of step `best` is not removed. Wait for the one before.

        All processes of a split model must ask, else only the first.
        """
        while self.pending:
            self._try(self.pending.pop(), False)
        if self.world.mesh is None:
            return self._try(
                lambda: save_checkpoint(self.root, step, model, optimizer, state, self.keep, best, self.minutes), final
            )
        self._try(lambda: self._part(step, model, optimizer, state, best, self.later and not final), final)

    def _part(
        self,
        step: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        state: dict[str, Any],
        best: int,
        later: bool,
    ) -> None:
        from trivium.train.parallel.store import save_parts

        folder, (tensors, plain) = _folder(self.root, step), _flatten(optimizer)
        tensors |= {name: tensor.detach() for name, (tensor, _) in slots(model).items()}

        def seal(filled: Path) -> None:
            _seal(filled, step, {**state, "step": step, "optim": plain})
            verify(filled)

        def prune() -> None:
            _prune(self.root, self.keep, best, self.minutes)

        wait = save_parts(folder, tensors, seal, prune, self.world, self.group, later)
        self.pending += [wait] if later else []

    def _try(self, act: Callable[[], object], final: bool) -> None:
        try:
            act()
            self.failed = 0
        except TriviumError as error:
            self.failed += 1
            if final or self.failed == FAILED_SAVES_LIMIT:
                raise
            warn(f"{error}; training continues, the next save tries again")


def checkpoints(root: Path) -> Iterator[int]:
    """Yield the steps that have a checkpoint folder, valid or not."""
    if root.is_dir():
        for folder in root.iterdir():
            if match := _NAME.fullmatch(folder.name):
                yield int(match[1])


def verify(folder: Path) -> None:
    """Check the hash of every file of a checkpoint; a ModelError names the first that is wrong."""
    manifest = read_json(folder / "manifest.json", ModelError)
    hashes = manifest.get("xxh3_128") if isinstance(manifest, dict) else None
    known = hashes if isinstance(hashes, dict) else {}
    for name in {*known, "state.json"} if any(name.startswith(PART) for name in known) else FILES:
        path = folder / name
        if not path.is_file() or xxh3(path) != known.get(name):
            raise ModelError(f"{path}: missing or damaged: its hash is not the one in manifest.json")


def find(root: Path, step: int | None = None) -> Path | None:
    """Return the checkpoint of a step, or the newest that verifies, or None where there never was one.

    A damaged newest one is renamed, with a warning. Raise ModelError where none is left, and for a `step` without one.
    """
    known = sorted(checkpoints(root), reverse=True)
    if step is not None:
        if step not in known:
            there = ", ".join(map(str, known[::-1])) or "none"
            raise ModelError(f"--from-step {step}: {root} has no checkpoint of this step; it has: {there}")
        verify(_folder(root, step))
        return _folder(root, step)
    for one in known:
        try:
            verify(_folder(root, one))
            return _folder(root, one)
        except (TriviumError, OSError) as error:
            warn(f"{error}; renamed to {_rename(root, one, DAMAGED)}")
    if damaged := sorted(path.name for path in root.glob(f"{DAMAGED}-step-*")):
        raise ModelError(
            f"{root}: no valid checkpoint is left to resume from ({', '.join(damaged)}); "
            "put one back, or name another run folder to start at step 0"
        )
    return None


def set_aside(root: Path, step: int) -> None:
    """Rename the checkpoints after a step, which a run that goes on from there leaves behind."""
    for newer in sorted(one for one in checkpoints(root) if one > step):
        say(f"{_folder(root, newer)}: renamed to {_rename(root, newer, LEFT)}")


def _folder(root: Path, step: int) -> Path:
    return root / f"step-{step:08d}"


def _rename(root: Path, step: int, why: str) -> str:
    """Give the folder of a checkpoint another name, in place of an earlier one of that name, and return it."""
    folder = _folder(root, step)
    aside = folder.with_name(f"{why}-{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    return aside.name


def load_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Fill model and optimizer from a checkpoint and return its state; a ModelError names what does not fit."""
    readable(read_json(folder / "manifest.json", ModelError), folder / "manifest.json", ModelError)
    state = read_json(folder / "state.json", ModelError)
    if any(folder.glob(f"{PART}*")) or any(split(tensor) for tensor in model.parameters()):
        from trivium.train.parallel.store import read_parts

        tensors = read_parts(folder, model, optimizer)
    else:
        try:
            model_state, tensors = load_file(folder / "model.safetensors"), load_file(folder / "optim.safetensors")
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{folder}: cannot read: {error}") from error
        fill(model, model_state, str(folder))
    entries: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *state["optim"].items()]:
        index, name = key.split(".", 1)
        entries.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    if unknown := set(entries) - {index for group in groups for index in group["params"]}:
        raise ModelError(
            f"{folder / 'optim.safetensors'}: state of {len(unknown)} more parameters than are trained; "
            "is it another optimizer's, or an earlier version's?"
        )
    optimizer.load_state_dict({"state": entries, "param_groups": groups})
    return state
