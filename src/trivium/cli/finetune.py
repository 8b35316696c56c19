"""`trivium finetune` and `trivium predict`: a model for a task, and what it says."""

from pathlib import Path
from typing import Annotated

import typer

Reading = Annotated[str | None, typer.Option("--format", help="What the rows are, instead of what their keys say.")]
Skip = Annotated[bool, typer.Option("--skip-bad", help="Count rows that do not fit instead of stopping.")]

TOLD = 'Rows and task: columns=["1","2"] task.beam.beams=8 ...'
Told = Annotated[list[str] | None, typer.Argument(help=TOLD)]


def finetune(
    task: Annotated[str, typer.Argument(help="chat, classify, tag, extract, embed, translate, summarize or prefer.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="A model folder, ours or of a supported family.")],
    data: Annotated[list[str], typer.Option("--data", "-d", help="A file of rows; several are mixed.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Fields of the recipe: optim.lr=3e-4 ...")] = None,
    valid: Annotated[list[str] | None, typer.Option(help="Held-out rows: the metrics are of these.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe whose fields go before the task's defaults.")] = None,
    format: Reading = None,
    skip_bad: Skip = False,
    train: Annotated[str | None, typer.Option(help="Which answers of a conversation count: all or last [all].")] = None,
    references: Annotated[str | None, typer.Option(help="Of several answers: sample, all or best [sample].")] = None,
    too_long: Annotated[str | None, typer.Option(help="drop, truncate-context or truncate-left [drop].")] = None,
    lora: Annotated[int | None, typer.Option(help="Learn low-rank adapters of this rank alone.")] = None,
    head: Annotated[bool, typer.Option(help="classify, extract: a head on an encoder-decoder model too.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder [runs/TASK].")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the newest checkpoint of the run folder.")] = False,
) -> None:
    """Make a model do a task: rows in, a model folder and its metrics out."""
    from trivium.base.log import say
    from trivium.lab.picture import confusion
    from trivium.lab.samples import show_samples
    from trivium.task.finetune import finetune, recipe_for, tell

    folder = out or Path("runs") / task
    asked = {
        "data.rows.format": format,
        "data.rows.skip_bad": "true" if skip_bad else None,
        "objective.train": train,
        "objective.references": references,
        "data.too_long": too_long,
        "lora.rank": lora,
    }
    words = [*(f"{key}={value}" for key, value in asked.items() if value is not None), *(overrides or [])]
    made = recipe_for(task, model, data, valid or [], words, recipe, head)
    trained, found = finetune(task, made, folder, resume, show_samples)
    say(f"the model is in {trained}")
    tell(found)
    if picture := confusion(found, folder / "confusion.png"):
        say(f"the confusion matrix is {picture}")


def predict(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    source: Annotated[Path, typer.Option("--input", "-i", help="A file of rows; they need no answers.")],
    overrides: Told = None,
    task: Annotated[str | None, typer.Option(help="The task [what the model was tuned for].")] = None,
    format: Reading = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A .jsonl file [the console].")] = None,
) -> None:
    """What a model says of each row of a file, one JSON object a line."""
    from trivium.task.predict import parted, predict_file, rows_as

    own, rows = parted(overrides or [])
    predict_file(model, source, out, task, rows_as(rows, format), own)
