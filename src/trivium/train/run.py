"""The folder of a run: recipe, environment, metrics, and a lock so that two runs never share it."""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError, TriviumError
from trivium.base.files import locked, read_json, strict, sweep, write_json, write_text
from trivium.base.log import say, warn
from trivium.base.process import Interrupted
from trivium.base.version import FORMAT, readable
from trivium.train.checkpoint import checkpoints
from trivium.train.recipe import BUDGETS, Recipe
from trivium.train.track.tracker import Tracks

EXTENDING = {*BUDGETS}
EXTENDING |= {"eval_every_steps", "save_every_steps", "log_every_steps", "keep_checkpoints", "license"}
EXTENDING |= {
    "track",
    "parallel",
    "keep_best",
    "patience",
    "replay_every_steps",
    "save_every_minutes",
    "keep_minutes",
    "timeout_seconds",
}
"""Fields that a resumed run may change: its budget, when it writes and ends, and what its card says."""
PARTS = {
    "recipe.json",
    "environment.json",
    "metrics.jsonl",
    "certificate.jsonl",
    "checkpoints",
    "model",
    "adapter",
    ".lock",
    ".claim",
    "track.json",
    "tensorboard",
    "wandb",
}
PARTS |= {"log.txt", "result.json", "confusion.png", "curve.png", "profile.json"}
"""What may stand in a run folder."""
LOWERING = {"recipe.optim.lr"}
"""Fields that a resumed run may lower: a run whose steps were not finite needs a smaller rate."""


class Metrics:
    """`metrics.jsonl`, one JSON object per line; a number that is not finite is null. The trackers of a recipe get the
    same records.

    A resumed run drops the lines after the step it continues from. Lines that are broken are dropped with a warning,
    except for the last, which a killed run may have left half-written.
    """

    def __init__(self, path: Path, start: int, enabled: bool = True, recipe: Recipe | None = None) -> None:
        """`start` is the step from which the run goes on; a run that begins anew with step 0 drops all lines."""
        self.path, self.enabled, before = path, enabled, list[dict[str, Any]]()
        if enabled and path.exists():
            lines = [(line, _read(line)) for line in path.read_bytes().splitlines()]
            if broken := sum(not found for _, found in lines[:-1]):
                warn(f"{path}: dropped {broken} lines that are not JSON objects with a step")
            kept = [line.decode() for line, found in lines if found and 0 <= found["step"] <= (start or -1)]
            before = [found for _, found in lines if found and found["step"] > (start or -1)]
            write_text(path, "".join(f"{line}\n" for line in kept))
        self.tracks: Tracks | None = None
        if enabled and recipe is not None and recipe.track:
            self.tracks = Tracks(recipe.track, path.parent, dump(recipe), start, before)

    def write(self, **facts: Any) -> None:
        """Append one line; if it cannot be written, warn and leave it out."""
        if not self.enabled:
            return
        size, record = self.path.stat().st_size if self.path.exists() else 0, strict(facts)
        try:
            with open(self.path, "a", encoding="utf-8") as handle:
                handle.write(json.dumps(record) + "\n")
        except OSError as error:
            warn(f"{self.path}: cannot write: {error.strerror or error}; a line of step {facts['step']} is left out")
            with suppress(OSError):
                os.truncate(self.path, size)  # half a line would spoil the next
        if self.tracks is not None:
            self.tracks.write(record)

    def close(self) -> None:
        """Let the trackers write what they still hold."""
        if self.tracks is not None:
            self.tracks.close()


def _read(line: bytes) -> dict[str, Any]:
    """Return the record of a line, an empty one for a broken line."""
    try:
        found = json.loads(line.decode())
        return found if isinstance(found["step"], int) else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def environment() -> dict[str, Any]:
    """Return what a result may depend on besides the recipe."""
    return {
        "trivium": version("trivium"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "system": platform.system(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
    }


def free(folder: Path, resume: bool, force: bool = False) -> None:
    """Raise TriviumError for a folder that holds a run, unless it is resumed or replaced, or that is no run folder."""
    if resume and force:
        raise ConfigError("--force and --resume: one trains anew, the other goes on; leave one of them out")
    if resume or force or not folder.exists():
        return
    if (folder / "recipe.json").exists() or any(checkpoints(folder / "checkpoints")):
        way = "add --resume to continue it, --force to train anew in its place"
        raise TriviumError(f"{folder}: holds a run already; {way}, or name another folder")
    if not folder.is_dir() or any(path.name not in PARTS and path.name[0] != "." for path in folder.iterdir()):
        raise TriviumError(f"{folder}: exists and is no run folder; name another folder")


@contextmanager
def open_run(
    folder: Path,
    recipe: Recipe,
    facts: dict[str, Any],
    resume: bool,
    writes: bool = True,
    force: bool = False,
    **machine: Any,
) -> Iterator[None]:
    """Lock a run folder and write its recipe and environment; only one process `writes`.

    Raise TriviumError for a folder that is in use or holds a run, which `force` removes. With `resume` it may hold a
    run, but a ConfigError says where its recipe or `facts` differ. `machine` goes into environment.json, which may
    differ. What killed writers left behind is removed, and so is what a run has written that is Interrupted before its
    first checkpoint.
    """
    if not writes:
        yield
        return
    record, made = {"format": FORMAT, "recipe": dump(recipe), **facts}, not folder.exists()
    with locked(folder / ".lock") as mine:
        if not mine:
            raise TriviumError(f"{folder}: another run uses this folder; wait for it, or name another folder")
        path, saved = folder / "recipe.json", folder / "checkpoints"
        sweep(folder)
        sweep(saved)
        free(folder, resume, force)
        if force and not resume:
            _remove(folder)
        if path.exists():
            old = read_json(path)
            readable({"format": 1, **old}, path, ConfigError)  # the first format had no number here
            _compare(
                {**old, "format": FORMAT, "recipe": dump(parse(Recipe, old.get("recipe"), str(path)))}, record, path
            )
        try:
            write_json(path, record)
            write_json(folder / "environment.json", {**environment(), **machine})
            yield
        except Interrupted:
            if not any(saved.glob("*step-*")):
                _retract(folder, made)
            raise


def _remove(folder: Path) -> None:
    """Remove what a run wrote; files of others stay."""
    for path in folder.iterdir():
        if path.name in PARTS - {".lock"}:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _retract(folder: Path, made: bool) -> None:
    """Remove what a run writes before its first step, and the folder too if this run `made` it."""
    for name in ("recipe.json", "environment.json", "metrics.jsonl", "track.json"):
        (folder / name).unlink(missing_ok=True)
    for name in ("tensorboard", "wandb"):
        shutil.rmtree(folder / name, ignore_errors=True)
    if made and not any(path.name != ".lock" for path in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


def _compare(old: Any, new: Any, path: Path, key: str = "") -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            if name not in EXTENDING:
                _compare(old.get(name), new.get(name), path, f"{key}.{name}" if key else name)
    elif key in LOWERING and new < old:
        say(f"{key.removeprefix('recipe.')} was {old!r} and is now {new!r}")
    elif old != new:
        may = "may only lower it" if key in LOWERING else "must not change it"
        raise ConfigError(f"{path}: {key} was {old!r} and is now {new!r}; a resumed run {may}")
