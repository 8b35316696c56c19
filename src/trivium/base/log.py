"""Output for people while something long runs: a live progress bar on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from trivium.base.errors import TriviumError

PLAIN_EVERY_SECONDS = 10.0
FIRST = os.environ.get("RANK", "0") == "0"
"""Whether this process prints: the first of a run's processes does."""


_quiet: ContextVar[bool] = ContextVar("quiet", default=False)
_file: ContextVar[Path | None] = ContextVar("file", default=None)


@contextmanager
def speaking(quiet: bool = False, file: Path | None = None) -> Iterator[None]:
    """Run a block whose lines are not printed (`quiet`), except results and warnings, and are added to a file too."""
    settings: list[tuple[ContextVar[Any], Any]] = [(_quiet, _quiet.set(quiet)), (_file, _file.set(file))]
    try:
        yield
    except TriviumError as error:
        _keep(f"error: {error}")
        raise
    finally:
        for variable, token in settings:
            variable.reset(token)


def say(text: str = "") -> None:
    """Print a line about what goes on."""
    _keep(text)
    if FIRST and not _quiet.get():
        print(text, flush=True)


def result(text: str = "") -> None:
    """Print a line that was asked for, which no option silences."""
    _keep(text)
    if FIRST:
        print(text, flush=True)


def warn(text: str) -> None:
    """Print a warning to the error stream."""
    _keep(f"warning: {text}")
    print(f"warning: {text}", file=sys.stderr, flush=True)


def _keep(text: str) -> None:
    """Add lines to the log file, each with its time; raise TriviumError where it cannot be written."""
    if (path := _file.get()) is None or not FIRST:
        return
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as handle:
            handle.writelines(f"{now}  {line}\n" for line in text.splitlines() if line.strip())
    except OSError as error:
        raise TriviumError(f"{path}: cannot write: {error.strerror or error}") from error


def duration(seconds: float) -> str:
    """Return seconds as text: 42s, 3m05s, 2h10m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


class Progress:
    """The progress of a known amount of work, with its rate and the time left."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self.skipped = 0
        self.start = self.shown = time.monotonic()
        self.live: Any = None

    def begin(self, done: int) -> None:
        """Start from `done` units of earlier work, which do not count in the rate."""
        self.skipped = self.done = done

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` units of work are finished in all."""
        self.done, now = done, time.monotonic()
        made, seconds = done - self.skipped, max(now - self.start, 1e-9)
        rate = f"{made / seconds:,.0f} {self.unit}/s"
        if self.live is not None:
            self.live.update(0, completed=done, note=note, rate=rate)
        if now - self.shown >= PLAIN_EVERY_SECONDS:
            self.shown = now
            left = duration(seconds / made * (self.total - done)) if made else "?"
            note = f", {note}" if note else ""
            tell = say if self.live is None else _keep
            tell(f"{self.label}: {done:,}/{self.total:,} {self.unit}, {rate}, {left} left{note}")


@contextmanager
def progress(label: str, total: int, unit: str = "items") -> Iterator[Progress]:
    """Show the progress of a block of work of `total` units."""
    bar = Progress(label, total, unit)
    if not (FIRST and sys.stdout.isatty()) or _quiet.get():
        yield bar
        return
    from rich import progress as rich

    name, rate, note = map(rich.TextColumn, ("{task.description}", "{task.fields[rate]}", "{task.fields[note]}"))
    columns = (name, rich.BarColumn(), rich.TaskProgressColumn(), rate, rich.TimeRemainingColumn(), note)
    with rich.Progress(*columns, transient=True) as live:
        live.add_task(label, total=total, note="", rate="")
        bar.live = live
        yield bar


def columns(rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield rows of equal length as aligned lines: the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    first, *widths = (max(map(len, column)) for column in zip(*cells, strict=True))
    for name, *rest in cells:
        yield "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(rest, widths, strict=True))])
