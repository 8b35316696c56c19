"""What a model says of every row of a file, as JSON lines."""

import json
import sys
from pathlib import Path

from trivium import api
from trivium.base.errors import ConfigError
from trivium.base.files import write_text
from trivium.model.device import pick
from trivium.model.score import Classify, Span, Tag
from trivium.task.task import Task, task_of
from trivium.text.row import RowReading

HEADS = {Classify: "classify", Tag: "tag", Span: "extract"}


def task_for(model: api.Model, name: str | None = None) -> Task:
    """The task asked for, or the one that the model's head is for; of a model that writes, chat."""
    if name is not None:
        return task_of(name)
    if (found := HEADS.get(type(model.config.head))) is not None:  # type: ignore[call-overload]
        return task_of(found)
    if "pool" in model.record:
        return task_of("embed")
    if model.config.family == "encoder":
        raise ConfigError("predict: the model has no head of a task; say by --task what is wanted of it")
    return task_of("chat")


def predict_file(
    model: str | Path,
    source: Path,
    out: Path | None = None,
    task: str | None = None,
    format: str | None = None,
) -> int:
    """Write one line for each row, whole or not at all, or print them; give how many there are."""
    loaded = api.load(model, device=pick())
    found = task_for(loaded, task).predict(loaded, [source], RowReading(format=format))
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in found]
    if out is not None:
        write_text(out, "".join(lines))
    else:
        sys.stdout.writelines(lines)
    return len(lines)
