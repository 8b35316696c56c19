"""What people want of a model, one kind each: how rows become Examples, what is measured, what is told of a row.

A kind is a class in a file of its own. Those with an objective that reads records make Examples themselves; tasks of
text to text leave that to conversations, for every model that writes can learn them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from trivium import api
from trivium.base import plugin
from trivium.base.config import Choice
from trivium.base.errors import ConfigError
from trivium.data.rows import Rows
from trivium.model.transformer import Transformer
from trivium.objective.objective import Objective
from trivium.rows.row import RowReading
from trivium.train.recipe import Recipe

Paths = Sequence[str | Path]


class Task(Choice):
    """A task."""

    kinds: ClassVar[dict[str, type["Task"]]]
    objective: ClassVar[str] = "instruct"
    """The kind of objective by which it is learned."""
    defaults: ClassVar[dict[str, Any]] = {}
    """Fields of a recipe that suit it, for models of some millions of parameters."""

    def equip(self, model: api.Model, recipe: Recipe) -> None:
        """Put the head on the model that the recipe's rows need, unless it has it."""

    def open(self, model: api.Model, paths: Paths, recipe: Recipe, length: int) -> tuple[Rows, Counter[str]]:
        """Rows of Examples, and what was dropped or cut, by reason."""
        raise NotImplementedError(f"{self.kind} reads conversations")

    def finish(self, model: api.Model, before: Transformer) -> None:
        """Make what was trained what people use; `before` is the model without the task's head."""

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        """The task's metrics on files of rows, by name."""
        raise NotImplementedError

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        """What the model says of each row."""
        raise NotImplementedError


def tasks() -> dict[str, type[Task]]:
    """Every task by name."""
    from trivium.task import kinds

    plugin.members(kinds.__name__, kinds.__path__)
    return Task.kinds


def task_of(name: str) -> Task:
    """A task by its name."""
    known = tasks()
    if name not in known:
        raise ConfigError(f"task: expected one of {', '.join(sorted(known))}, found {name!r}")
    return known[name]()


def by_objective(objective: Objective) -> Task:
    """The task that an objective of records stands for."""
    return next(kind() for kind in tasks().values() if kind.objective == objective.kind)
