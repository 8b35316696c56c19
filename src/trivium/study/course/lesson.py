"""Lessons: what a page of the course measures and draws. A file of `lessons` is one, and its `LESSON` joins."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from trivium.base import plugin
from trivium.base.errors import ConfigError, DataError
from trivium.base.explain import closest
from trivium.base.files import read_json
from trivium.train.run import environment

Numbers = Mapping[str, Any]
"""Measured values by name: numbers, and for drawings also lists of them."""


def nothing(scratch: Path) -> Numbers:
    """Return no numbers: what a lesson measures in which all is exact."""
    return {}


@dataclass(frozen=True)
class Lesson:
    """The experiment of one page; the page has its name: `rope` belongs to `06-rope.md`."""

    name: str
    exact: Callable[[], Numbers]
    """Compute what is the same on every machine, in seconds: a test compares it with the numbers that are kept."""
    drawing: Callable[[Numbers], Any]
    """Compute the plain data of the drawing from our own code, in seconds, with the numbers that the page shows."""
    measured: Callable[[Path], Numbers] = nothing
    """Measure what machines differ in, times and trainings, within three minutes on two cores.

    The folder is for runs, and all lessons of a command share it.
    """

    def run(self, scratch: Path) -> dict[str, Any]:
        """Run the experiment; return its numbers with the date, the machine and the CPU seconds."""
        since = time.process_time()
        numbers = {**self.exact(), **self.measured(scratch)}
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": environment(),
            "seconds": round(time.process_time() - since, 1),
            "numbers": numbers,
        }


@cache
def lessons() -> dict[str, Lesson]:
    """Return every lesson by its name."""
    return plugin.constants("trivium.study.course.lessons", "LESSON")


def lesson(name: str) -> Lesson:
    """Return a lesson by its name; an unknown one is a ConfigError."""
    if name not in lessons():
        known = ", ".join(lessons())
        raise ConfigError(f"--run: unknown lesson {name!r}{closest(name, lessons())}; known: all, {known}")
    return lessons()[name]


def kept(path: Path, shown: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
    """Read the numbers of a lesson. A DataError names a file that is something else, or lacks what is `shown`."""
    found = read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("numbers"), dict):
        raise DataError(f"{path}: expected the numbers of a lesson; remove the file, and run the lesson again")
    if lacking := next((name for name, _ in shown if name not in found["numbers"]), None):
        way = f"measure it: trivium learn --run {path.stem}"
        raise DataError(f"{path}: has no {lacking!r}, which the page shows; {way}")
    return found
