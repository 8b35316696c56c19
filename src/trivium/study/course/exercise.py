"""Exercises: functions that a learner writes, beside our own code. A file of `exercises` is one, its `EXERCISE` joins.

A mistake is a wrong way to compute the same: a learner's function that gives its values has made it, and gets its hint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from trivium.base import plugin
from trivium.base.errors import ConfigError
from trivium.base.explain import closest

Case = tuple[Any, ...]
"""The arguments of a call: tensors, numbers, and lists and tables of them."""


@dataclass(frozen=True)
class Exercise:
    """One function to write."""

    name: str
    text: str
    """The file to fill in: the function with its docstring, and no body."""
    cases: Callable[[], list[Case]]
    """Make the calls; the smallest that tell all mistakes apart."""
    ours: Callable[..., Any]
    """Compute the right value of a call with the code of the project."""
    mistakes: Sequence[tuple[str, Callable[..., Any]]]
    """Hints, each with the wrong way that it belongs to."""

    @property
    def function(self) -> str:
        """The name of the function."""
        return self.text.partition("def ")[2].partition("(")[0]


@cache
def exercises() -> dict[str, Exercise]:
    """Return every exercise by its name."""
    return plugin.constants("trivium.study.course.exercises", "EXERCISE")


def exercise(name: str) -> Exercise:
    """Return an exercise by its name; an unknown one is a ConfigError."""
    if name not in exercises():
        known = ", ".join(exercises())
        raise ConfigError(f"--check: unknown exercise {name!r}{closest(name, exercises())}; known: {known}")
    return exercises()[name]
