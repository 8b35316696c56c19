"""The family of tasks: what people want of a model.

A kind is one class in a file of its own. It declares which rows it reads, the objective and the head that learn them,
and the metrics; all tasks with records share the path from rows to metrics here. A model that writes is asked in words
where the records have a form in words, and is scored as the same task.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from trivium import api
from trivium.base.config import Choice, dump, override, parse
from trivium.base.errors import ConfigError, DataError, ModelError
from trivium.base.files import sha256
from trivium.base.seeds import late
from trivium.base.types import Example
from trivium.data.rows import ExampleRows, Rows, no_rows
from trivium.image.processor import ImageProcessor
from trivium.model.layer.head import LM, Head
from trivium.model.layer.score import LabelHead
from trivium.objective.objective import Objective
from trivium.rows.kinds.picture import BENT
from trivium.rows.late import tried
from trivium.rows.notes import Notes
from trivium.rows.read import RowReading, conversation, read
from trivium.rows.record import Record
from trivium.task.answer import answer
from trivium.train.recipe import Recipe

Paths = Sequence[str | Path]
MAX_NEW_TOKENS = 64
"""The longest answer of a model that is asked in words, where the task does not say it."""


class Task(Choice):
    """A task."""

    kinds: ClassVar[dict[str, type["Task"]]]
    objective: ClassVar[str] = "instruct"
    """The kind of its objective."""
    record: ClassVar[type[Record] | None] = None
    """The kind of its rows; None is every kind with a form in words."""
    head: ClassVar[type[Head] | None] = None
    """The kind of its head; None keeps the model's own."""
    labels: ClassVar[str] = ""
    """What the labels of its head must be."""
    roles: ClassVar[bool] = False
    """Whether its rows have turns of several roles; else an encoder-decoder learns text to text, as T5 does."""
    defaults: ClassVar[dict[str, Any]] = {}
    """Fields of a recipe that suit models of some millions of parameters."""

    @classmethod
    def suits(cls, head: Head) -> bool:
        """Return whether a head is of this task."""
        return cls.head is not None and isinstance(head, cls.head)

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        """Return the metrics of a model on files of rows, by name."""
        raise NotImplementedError

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        """Yield what the model says of each row."""
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """Return the options of `Model.generate` with which a model answers that is asked in words."""
        return {"max_new_tokens": MAX_NEW_TOKENS}


class RecordTask(Task):
    """A task with an objective, and mostly a head, of its own; its rows are records of one kind."""

    record: ClassVar[type[Record]] = Record

    def fields(self, recipe: Recipe, model: api.Model) -> dict[str, Any]:
        """Return the fields that the head must have, such as its labels."""
        return {}

    def check(self, model: api.Model, record: Any) -> None:
        """Refuse, by a ValueError, a record on which the head cannot be measured."""

    def answers(self, model: api.Model, records: Sequence[Any]) -> list[Any]:
        """Return what the model says of each record."""
        raise NotImplementedError

    def heard(self, record: Any, text: str) -> Any:
        """Return what a model says that writes `text` when it is asked in words."""
        raise NotImplementedError

    def metrics(self, model: api.Model, records: Sequence[Any], answers: Sequence[Any]) -> dict[str, Any]:
        """Return the metrics of answers, by name."""
        raise NotImplementedError

    def line(self, record: Any, answer: Any) -> dict[str, Any]:
        """Return a record and its answer as plain data."""
        raise NotImplementedError

    def record_of(self, model: api.Model) -> type[Record]:
        """Return the kind of the rows for a model; a task that is learned of texts and of pictures has two."""
        return self.record

    def records(self, paths: Paths, reading: RowReading, kind: type[Record] | None = None) -> list[Any]:
        """Return the records of files; with `skip_bad`, without those that do not fit."""
        counts = Counter[str]()
        found = [record for _, record in read(lambda record: record, paths, reading, counts, kind or self.record)]
        if counts and not found:
            reasons = "; ".join(f"{count:,} {reason}" for reason, count in counts.items())
            raise DataError(f"{', '.join(map(str, paths))}: every row was left out ({reasons})")
        return found

    def equip(self, model: api.Model, recipe: Recipe) -> None:
        """Put the head of the task on the model, unless it has one with these fields."""
        if self.head is None:
            return
        fields, old = self.fields(recipe, model), model.config.head
        if not (isinstance(old, self.head) and all(getattr(old, name) == value for name, value in fields.items())):
            model.equip(self.head.kind, **fields)

    def open(
        self, model: api.Model, paths: Paths, recipe: Recipe, length: int, notes: Notes | None = None
    ) -> tuple[Rows, Counter[str]]:
        """Return rows of Examples, and how many were dropped or cut, by reason."""
        head, objective = self.head_of(model), recipe.objective
        data, kind = recipe.data, self.record_of(model)
        layout = model.layout(min(data.length or length, self.longest(model) or length))
        if layout.picture is not None:
            layout = replace(layout, picture=replace(layout.picture, augment=data.augment))
        counts: Counter[str] = Counter()

        def make(record: Record) -> list[Example]:
            return record.examples(layout, head, objective, counts)

        notes = Notes() if notes is None else notes
        found: Iterable[tuple[str, list[Any]]] = read(make, paths, data.rows, counts, kind, notes=notes)
        if layout.picture is None:
            groups = [group for _, group in found if group]
        else:
            groups = []
            for _, (group, named) in tried(found, _read_once, data.rows.skip_bad, counts.update):
                groups += [group] if group else []
                notes.named = sha256(notes.named + named) if named else notes.named
        if not groups:
            raise no_rows(counts)
        return self.rows(model, groups, recipe, length), counts

    def longest(self, model: api.Model) -> int | None:
        """Return the most tokens of a text that the trained model reads; None is the context."""
        return None

    def rows(self, model: api.Model, groups: Sequence[Sequence[Example]], recipe: Recipe, length: int) -> Rows:
        """Return the rows of the Examples of all records; by default each Example stands alone."""
        return ExampleRows([[one] for group in groups for one in group], length, recipe.seed, recipe.data.packing)

    def finish(self, model: api.Model, before: api.Model) -> None:
        """Turn what was trained into what people use; `before` is the model without the head of the task."""
        if before.config.pictures is not None:
            model.processor = before.processor

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        records, found = self._answered(model, paths, reading, checked=True)
        if not records:
            raise DataError(f"{', '.join(map(str, paths))}: expected rows to measure on, found none that fit")
        return self.metrics(model, records, found)

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        for record, found in zip(*self._answered(model, paths, reading), strict=True):
            yield self.line(record, found)

    def head_of(self, model: api.Model) -> Head:
        """Return the config of the model's head; a ModelError if it is not of the task."""
        head = model.config.head
        if self.suits(head) if self.head else isinstance(head, LM):
            return head
        count = len(head.labels) if isinstance(head, LabelHead) else 0
        labels = f" with {count} label{'s' * (count > 1)}" if count else ""
        raise ModelError(
            f"task {self.kind}: expected a model with a head of kind {(self.head or LM).kind}{self.labels}, "
            f"found {head.kind}{labels}" + (f"; `trivium finetune {self.kind}` makes one" if self.head else "")
        )

    def in_words(self, model: api.Model) -> bool:
        """Return whether the model is asked in words."""
        return isinstance(model.config.head, LM) and self.record_of(model).chats()

    def _answered(
        self, model: api.Model, paths: Paths, reading: RowReading, checked: bool = False
    ) -> tuple[list[Any], list[Any]]:
        """Read records, `checked` if they are to be measured, and return them with the answers of the model."""
        words, kind = self.in_words(model), self.record_of(model)
        notes = Notes(words)
        if not words:
            self.head_of(model)

        def make(record: Record) -> tuple[Record, Any]:
            if words:
                return record, conversation(record, reading, asking=True, notes=notes)
            if checked:
                self.check(model, record)
            return record, None

        rows: Iterable[tuple[str, Any]] = read(make, paths, reading, kind=kind, notes=notes)
        if model.config.pictures is not None:
            shapes = model.processor, notes.remark
            rows = tried(rows, lambda both: _looked(both, *shapes), reading.skip_bad, notes.remark)
        made = [both for _, both in rows]
        notes.tell()
        records = [record for record, _ in made]
        if not words:
            return records, self.answers(model, records)
        said = answer(model, [asked for _, asked in made], MAX_NEW_TOKENS)
        return records, [self.heard(record, one.answer) for record, one in zip(records, said, strict=True)]


def _read_once(group: list[Any]) -> tuple[list[Any], str]:
    """Make the late examples of a row for a trial; return them, and the hash of the file that they are made of."""
    for one in group:
        if one.where:
            one.made(late(0))
    return group, next((sha256(one.file) for one in group if one.file is not None), "")


def _looked(both: tuple[Any, Any], processor: ImageProcessor, remark: Callable[[list[str]], object]) -> tuple[Any, Any]:
    """Decode the picture of a record and return both; remark on one that the model reads in another ratio."""
    if processor.bends(*both[0].image.colours().shape[:2]):
        remark([BENT])
    return both


def task_of(name: str, overrides: Sequence[str] = ()) -> Task:
    """Return a task by its name, with its fields set as in `max_new_tokens=64`; an unknown name is a ConfigError."""
    if name not in Task.kinds:
        raise ConfigError(f"task: expected one of {', '.join(sorted(Task.kinds))}, found {name!r}")
    return parse(Task, override(dump(Task.kinds[name]()), overrides), "task")


def by_objective(objective: Objective) -> RecordTask:
    """Return the task of an objective that reads records."""
    return next(
        kind() for kind in Task.kinds.values() if issubclass(kind, RecordTask) and kind.objective == objective.kind
    )
