"""Output for people while something long runs: a live progress bar on a terminal, plain lines elsewhere."""

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from trivium.base.errors import TriviumError

PLAIN_EVERY_SECONDS = 10.0
FIRST = os.environ.get("RANK", "0") == "0"
"""Whether this process prints: the first of a run's processes does."""


_quiet: ContextVar[bool] = ContextVar("quiet", default=False)
_file: ContextVar[Path | None] = ContextVar("file", default=None)
_bars: ContextVar[Any] = ContextVar("bars", default=None)

Item = TypeVar("Item")


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


def note(text: str) -> None:
    """Print a line about what goes on to the error stream, where the other stream is the result."""
    _keep(text)
    if FIRST and not _quiet.get():
        print(text, file=sys.stderr, flush=True)


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


def figures(value: float) -> str:
    """Return a number of at least 0 with three significant figures: 0.0123, 4.57, 12,300."""
    value = float(f"{value:.3g}")
    places = 2 - math.floor(math.log10(value)) if value else 0
    return f"{value:,.{max(places, 0)}f}"


class Progress:
    """The progress of work, with its rate and the time left. A total of None is not known."""

    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self.skipped = 0
        self.start = self.shown = time.monotonic()
        self.live: Any = None
        self.task: Any = None

    def begin(self, done: int) -> None:
        """Start from `done` units of earlier work, which do not count in the rate."""
        self.skipped = self.done = done

    @property
    def seconds(self) -> float:
        """Return the seconds since the start."""
        return max(time.monotonic() - self.start, 1e-9)

    def rate(self, count: float, unit: str) -> str:
        """Return how much was done in a second since the start."""
        return f"{figures(count / self.seconds)} {unit}/s"

    def update(self, done: int, about: Callable[[], str] = str) -> None:
        """Show that `done` units of work are finished in all, and the words that `about` makes where they are shown."""
        self.done, now = done, time.monotonic()
        due = now - self.shown >= PLAIN_EVERY_SECONDS
        if self.live is None and not due:
            return
        made = done - self.skipped
        rate, note = self.rate(made, self.unit) if made else "", about()
        if self.live is not None:
            self.live.update(self.task, completed=done, total=self.total, note=note, rate=rate)
        if due:
            self.shown = now
            total = "" if self.total is None else f"/{self.total:,}"
            left = f"{duration((now - self.start) / made * (self.total - done))} left" if self.total and made else ""
            tell = say if self.live is None else _keep
            tell(", ".join(filter(None, (f"{self.label}: {done:,}{total} {self.unit}", rate, left, note))))


@contextmanager
def progress(label: str, total: int | None, unit: str = "items") -> Iterator[Progress]:
    """Show the progress of a block of work of `total` units, beside those of the blocks around it.

    Only the main thread draws bars: a terminal has one display.
    """
    bar = Progress(label, total, unit)
    main = threading.current_thread() is threading.main_thread()
    if not (FIRST and main and sys.stdout.isatty()) or _quiet.get():
        yield bar
        return
    with _display() as bar.live:
        bar.task = bar.live.add_task(label, total=total, note="", rate="")
        try:
            yield bar
        finally:
            bar.live.remove_task(bar.task)


@contextmanager
def waiting(label: str) -> Iterator[None]:
    """Show on a terminal that a block of work goes on, whose size is not known."""
    with progress(label, None):
        yield


def watched(items: Sequence[Item], label: str, unit: str) -> Iterator[Item]:
    """Yield items and show the progress of what is done with them; one item is no progress."""
    if len(items) < 2:
        yield from items
        return
    with progress(label, len(items), unit) as bar:
        for done, item in enumerate(items, start=1):
            yield item
            bar.update(done)


@contextmanager
def _display() -> Iterator[Any]:
    """Yield the bars of the terminal: those that are shown, or new ones."""
    if (shown := _bars.get()) is not None:
        yield shown
        return
    from rich import progress as rich

    name, rate, note = map(rich.TextColumn, ("{task.description}", "{task.fields[rate]}", "{task.fields[note]}"))
    columns = (name, rich.BarColumn(), rich.TaskProgressColumn(), rate, rich.TimeRemainingColumn(), note)
    with rich.Progress(*columns, transient=True) as live:
        _bars.set(live)
        try:
            yield live
        finally:
            _bars.set(None)


def columns(rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield rows of equal length as aligned lines: the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    first, *widths = (max(map(len, column)) for column in zip(*cells, strict=True))
    for name, *rest in cells:
        yield "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(rest, widths, strict=True))])
