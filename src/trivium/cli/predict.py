"""`trivium predict`: write predictions."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o


def predict(
    model: o.ModelFolder,
    source: Annotated[Path, typer.Option("--input", "-i", help="A file of rows; they need no answers.")],
    overrides: o.TaskOverrides = None,
    task: o.TaskName = None,
    format: o.Format = None,
    columns: o.Columns = None,
    skip_bad: o.SkipBad = False,
    encoding: o.Encoding = None,
    template: o.ChatTemplate = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A .jsonl file [the console].")] = None,
    force: o.Force = False,
    exact: o.Exact = False,
) -> None:
    """Write the model's prediction for each row of a file, one JSON object per line."""
    from trivium.base.files import vacant
    from trivium.base.log import say
    from trivium.task.predict import parted, predict_file, rows_as

    if out is not None:
        vacant(out, force)
    own, rows = parted(overrides or [])
    reading = rows_as(rows, format, skip_bad, columns, encoding)
    count = predict_file(model, source, out, task, reading, own, template, exact)
    if out is not None:
        say(f"{count:,} predictions in {out}")
