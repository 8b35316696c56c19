"""`trivium evaluate`: score a model on held-out text, on the rows of a task, or on tasks of a harness."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o


def evaluate(
    model: o.ModelFolder,
    overrides: o.TaskOverrides = None,
    data: Annotated[list[Path] | None, typer.Option("--data", "-d", help="A data folder, or files of rows.")] = None,
    task: o.TaskName = None,
    format: o.Format = None,
    columns: o.Columns = None,
    skip_bad: o.SkipBad = False,
    encoding: o.Encoding = None,
    template: o.ChatTemplate = None,
    length: Annotated[
        int | None, typer.Option(min=2, help="Tokens in a row of a data folder [the model's context].")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the confusion matrix of a classification here.")] = None,
    harness: Annotated[str | None, typer.Option(help="Tasks of lm-evaluation-harness: arc_easy,mine ...")] = None,
    include: Annotated[Path | None, typer.Option(help="A folder with task files for the harness.")] = None,
) -> None:
    """Score a model: loss, perplexity and bits per byte of held-out text, or the metrics of a task on rows."""
    from trivium.base.errors import ConfigError
    from trivium.base.log import result, say
    from trivium.lab.picture import confusion
    from trivium.rows.table import pictures_in
    from trivium.task.finetune import tell

    folder = data[0] if data and len(data) == 1 and data[0].is_dir() and not pictures_in(data[0]) else None
    if picture is not None and (harness is not None or folder is not None):
        raise ConfigError("--picture: draws the labels of files of rows, and --data names none; leave it out")
    if length is not None and (harness is not None or folder is None):
        raise ConfigError("--length: is for the rows of a data folder, and --data names none; leave it out")
    unused = [*(overrides or []), *(["--template"] if template else [])]
    if unused and (harness is not None or folder is not None):
        raise ConfigError(f"{unused[0]}: an override of rows or task, but --data names no file of rows; leave it out")
    if harness is not None:
        from trivium.task.harness import run

        for name, scores in run(model, harness.split(","), include).items():
            result(name)
            tell(scores)
    elif not data:
        raise ConfigError("--data: expected a data folder, or files of rows")
    elif folder is not None:
        from trivium.task.evaluate import score_folder

        score = score_folder(model, folder, length)
        result(f"loss {score.loss:.4f} nats per token, perplexity {score.perplexity:,.2f}, {score.targets:,} targets")
        if score.bits_per_byte is not None:
            result(f"bits per byte {score.bits_per_byte:.4f}")
    else:
        from trivium.task.predict import evaluate_files, parted, rows_as

        own, rows = parted(overrides or [])
        found = evaluate_files(model, data, task, rows_as(rows, format, skip_bad, columns, encoding), own, template)
        tell(found)
        if picture is not None and confusion(found, picture) is None:
            raise ConfigError("--picture: this task has no labels to draw; leave it out")
        if picture is not None:
            say(f"the confusion matrix is {picture}")
