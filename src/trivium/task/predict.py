"""Predict every row of a file as JSON lines, or measure the model on the rows."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium import api
from trivium.base.config import override, parse
from trivium.base.errors import ConfigError
from trivium.base.files import write_text
from trivium.model.device import pick
from trivium.rows.read import RowReading
from trivium.task.task import Task, task_of


def task_for(model: api.Model, name: str | None = None, overrides: Sequence[str] = ()) -> Task:
    """Return the task of this name, else the one that the model was tuned for or that its head is for, else chat.

    Overrides such as `max_new_tokens=64` set its fields.
    """
    found = _named(model, name)
    return task_of(found.kind, overrides)


def _named(model: api.Model, name: str | None) -> Task:
    if name is not None:
        return task_of(name)
    if (tuned := model.record.get("task")) in Task.kinds:
        return task_of(str(tuned))
    for kind in Task.kinds.values():
        if kind.suits(model.config.head):
            return kind()
    if "vectors" in model.record:
        return task_of("embed")
    if model.config.family == "encoder":
        raise ConfigError("predict: the model has no head of a task; name a task by --task")
    return task_of("chat")


def reading_of(model: api.Model, given: RowReading = RowReading()) -> RowReading:
    """Return how rows are read for a model: speakers and prefix as in training, unless they are given."""
    data = model.record.get("recipe", {}).get("data", {})
    trained = parse(RowReading, data.get("rows", {}) if isinstance(data, dict) else {}, "trivium.json")
    return given.replace(
        speakers=given.speakers or trained.speakers,
        without=given.without or trained.without,
        prefix=trained.prefix if given.prefix is None else given.prefix,
    )


def parted(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split overrides into those of the task (`task.max_new_tokens=64`) and all others."""
    own = [one for one in overrides if one.startswith("task.")]
    return [one.removeprefix("task.") for one in own], [one for one in overrides if one not in own]


def rows_as(
    overrides: Sequence[str] = (),
    format: str | None = None,
    skip_bad: bool = False,
    columns: str | None = None,
    encoding: str | None = None,
) -> RowReading:
    """Return how rows are read, by overrides such as `prefix=...` and `columns=["1","2"]`."""
    names = columns.split(",") if columns else []
    tree = {"format": format, "skip_bad": skip_bad, "columns": names, "encoding": encoding}
    own = [one.removeprefix("data.rows.") for one in overrides]
    return parse(RowReading, override(tree, own), "rows")


def evaluate_files(
    model: str | Path,
    paths: Sequence[str | Path],
    task: str | None = None,
    reading: RowReading = RowReading(),
    overrides: Sequence[str] = (),
    template: str | None = None,
) -> dict[str, Any]:
    """Return the metrics of a task, for a model folder of ours or a stock one, on files of rows."""
    loaded = api.load(model, device=pick(), template=template)
    return task_for(loaded, task, overrides).measure(loaded, paths, reading_of(loaded, reading))


def predict_file(
    model: str | Path,
    source: Path,
    out: Path | None = None,
    task: str | None = None,
    reading: RowReading = RowReading(),
    overrides: Sequence[str] = (),
    template: str | None = None,
    exact: bool = False,
) -> int:
    """Write one line for each row to a file, or print it; return how many there are."""
    loaded = api.load(model, device=pick(), template=template, exact=exact)
    found = task_for(loaded, task, overrides).predict(loaded, [source], reading_of(loaded, reading))
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in found]
    if out is not None:
        write_text(out, "".join(lines))
    else:
        sys.stdout.writelines(lines)
    return len(lines)
