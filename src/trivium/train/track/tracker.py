"""Trackers: libraries that show runs, where a recipe asks for them. Each gets the very records of metrics.jsonl.

A tracker decides nothing: one that fails is named once and left out, and the training goes on.
"""

import json
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from trivium.base import plugin
from trivium.base.config import Choice
from trivium.base.errors import TriviumError
from trivium.base.files import read_json, write_json
from trivium.base.log import say, warn
from trivium.base.version import FORMAT

SAME = 1e-3
"""The share by which the loss of a step that a resumed run does again may differ; else both are tracked."""


class TrackedRun(NamedTuple):
    """What a tracker is told of a run when it begins, or goes on."""

    folder: Path
    identity: str
    """A short name that no other run has, the same after a resume."""
    step: int
    """The step from which the run goes on."""
    recipe: Mapping[str, Any]


class Sink(NamedTuple):
    """Where the records of a run go."""

    write: Callable[[Mapping[str, Any]], Any]
    """Take one record, with its `step`."""
    close: Callable[[], Any]
    where: str
    """What a person does to see the run."""


class Tracker(Choice):
    """A library that shows runs."""

    module: ClassVar[str]
    """What must be imported; its package is not installed with ours."""
    rewinds: ClassVar[bool] = False
    """Whether it forgets the steps after that from which a run goes on, so they may be written again."""

    def library(self) -> Any:
        """Return the library; a DataError says how to install it."""
        return plugin.extra(self.module, f"track: {self.kind}")

    def begin(self, run: TrackedRun) -> Sink:
        """Begin to track a run, or go on with one of the same identity."""
        raise NotImplementedError


class Tracks:
    """The trackers of one run."""

    def __init__(
        self,
        trackers: Sequence[Tracker],
        folder: Path,
        recipe: Mapping[str, Any],
        step: int,
        before: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """`before` are the records that were tracked after `step`, which the run does again."""
        self.open: dict[str, tuple[Sink, bool]] = {}
        self.before = {_key(record): _loss(record) for record in before}
        run = TrackedRun(folder, identity(folder), step, recipe) if trackers else None
        for tracker in trackers:
            assert run is not None
            try:
                sink = tracker.begin(run)
            except TriviumError:
                raise
            except Exception as error:
                self._lose(tracker.kind, error)
            else:
                self.open[tracker.kind] = sink, tracker.rewinds
                say(f"tracked by {tracker.kind}: {sink.where}")

    def write(self, record: Mapping[str, Any]) -> None:
        """Give each tracker a record, but not a second time after a resume."""
        known = math.isclose(self.before.get(_key(record), math.nan), _loss(record), rel_tol=SAME)
        for kind, (sink, rewinds) in [*self.open.items()]:
            try:
                if rewinds or not known:
                    sink.write(record)
            except Exception as error:
                self._lose(kind, error)

    def close(self) -> None:
        """Let each tracker write what it still holds."""
        for kind, (sink, _) in [*self.open.items()]:
            try:
                sink.close()
            except Exception as error:
                self._lose(kind, error)
        self.open.clear()

    def _lose(self, kind: str, error: Exception) -> None:
        self.open.pop(kind, None)
        told = " ".join(str(error).split())[:200] or type(error).__name__
        warn(f"track: {kind} failed: {told}; training goes on without it, metrics.jsonl has every record")


def identity(folder: Path) -> str:
    """Return the name under which the run of a folder is tracked; a run that is not tracked yet gets one."""
    path = folder / "track.json"
    if not path.is_file():
        write_json(path, {"format": FORMAT, "identity": f"{folder.resolve().name}-{secrets.token_hex(4)}"})
    return str(read_json(path)["identity"])


def told(recipe: Mapping[str, Any]) -> str:
    """Return a recipe as text."""
    return json.dumps(recipe, indent=1, ensure_ascii=False)


def _key(record: Mapping[str, Any]) -> tuple[int, bool]:
    return record["step"], "valid_loss" in record


def _loss(record: Mapping[str, Any]) -> float:
    value = record.get("loss", record.get("valid_loss"))
    return math.nan if value is None else float(value)
