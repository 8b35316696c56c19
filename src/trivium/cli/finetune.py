"""`trivium finetune` and `trivium predict`: a model for a task, and what it says."""

from pathlib import Path
from typing import Annotated

import typer

Reading = Annotated[str | None, typer.Option("--format", help="What the rows are, instead of what their keys say.")]


def finetune(
    task: Annotated[str, typer.Argument(help="chat, classify, tag, extract, embed, translate, summarize or prefer.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="A model folder, ours or of a supported family.")],
    data: Annotated[list[str], typer.Option("--data", "-d", help="A file of rows; may be given several times.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Fields of the recipe: optim.lr=3e-4 ...")] = None,
    valid: Annotated[list[str] | None, typer.Option(help="Held-out rows: the metrics are of these.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe whose fields go before the task's defaults.")] = None,
    format: Reading = None,
    skip_bad: Annotated[bool, typer.Option(help="Count rows that do not fit instead of stopping.")] = False,
    head: Annotated[bool, typer.Option(help="classify, extract: a head on an encoder-decoder model too.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder [runs/TASK].")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the newest checkpoint of the run folder.")] = False,
) -> None:
    """Make a model do a task: rows in, a model folder and its metrics out."""
    from trivium.base.log import say
    from trivium.lab.samples import show_samples
    from trivium.task.finetune import finetune, recipe_for, tell

    words = [*(overrides or []), *([f"data.rows.format={format}"] if format else []),
             *(["data.rows.skip_bad=true"] if skip_bad else [])]  # fmt: skip
    made = recipe_for(task, model, data, valid or [], words, recipe, head)
    show_samples(made)
    folder, found = finetune(task, made, out or Path("runs") / task, resume)
    say(f"the model is in {folder}")
    tell(found)


def predict(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    source: Annotated[Path, typer.Option("--input", "-i", help="A file of rows.")],
    task: Annotated[str | None, typer.Option(help="The task [what the model's head is for].")] = None,
    format: Reading = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A .jsonl file [the console].")] = None,
) -> None:
    """What a model says of each row of a file, one JSON object a line."""
    from trivium.task.predict import predict_file

    predict_file(model, source, out, task, format)
