"""`trivium evaluate`: what a model makes of held-out text, or of the rows of a task."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.finetune import Reading, Skip, Told


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    overrides: Told = None,
    data: Annotated[list[Path] | None, typer.Option("--data", "-d", help="A data folder, or files of rows.")] = None,
    task: Annotated[str | None, typer.Option(help="The task of the rows [what the model was tuned for].")] = None,
    format: Reading = None,
    skip_bad: Skip = False,
    length: Annotated[int | None, typer.Option(help="Tokens in a row of a data folder [the model's context].")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the confusion matrix of a classification here.")] = None,
    harness: Annotated[str | None, typer.Option(help="Tasks of lm-evaluation-harness: arc_easy,mine ...")] = None,
    include: Annotated[Path | None, typer.Option(help="A folder with task files for the harness.")] = None,
) -> None:
    """Held-out text: loss, perplexity, bits per byte. Rows: the metrics of their task."""
    from trivium.base.errors import ConfigError
    from trivium.base.log import say
    from trivium.lab.picture import confusion
    from trivium.task.finetune import tell

    folder = data[0] if data and len(data) == 1 and data[0].is_dir() else None
    if overrides and (harness is not None or folder is not None):
        raise ConfigError(f"{overrides[0]}: says how files of rows are read and answered, and --data names none")
    if harness is not None:
        from trivium.task.harness import run

        for name, scores in run(model, harness.split(","), include).items():
            say(name)
            tell(scores)
    elif not data:
        raise ConfigError("--data: expected a data folder, or files of rows")
    elif folder is not None:
        from trivium.task.evaluate import score_folder

        score = score_folder(model, folder, length)
        say(f"loss {score.loss:.4f} nats per token, perplexity {score.perplexity:,.2f}, {score.targets:,} tokens")
        if score.bits_per_byte is not None:
            say(f"bits per byte {score.bits_per_byte:.4f}")
    else:
        from trivium.task.predict import evaluate_files, parted, rows_as

        own, rows = parted(overrides or [])
        found = evaluate_files(model, data, task, rows_as(rows, format, skip_bad), own)
        tell(found)
        if picture is not None and confusion(found, picture):
            say(f"the confusion matrix is {picture}")
