"""`trivium train` and `trivium finetune`: train models."""

import time
from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o
from trivium.cli.argument import training as t


@t.launching
def train(
    recipe: o.RecipeFile,
    overrides: o.Overrides = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder [runs/RECIPE].")] = None,
    minutes: t.Minutes = None,
    profile: t.Profile = False,
    replay_check: t.ReplayCheck = None,
    resume: t.Resume = False,
    from_step: t.FromStep = None,
    force: o.Force = False,
) -> None:
    """Train a fresh model, or continue from one, with any objective."""
    since = time.monotonic()
    from trivium.lab.run.outcome import tell
    from trivium.task.run import run
    from trivium.train.recipe import read_recipe

    chosen = [*(overrides or ()), *t.timed(minutes), *t.checked(replay_check)]
    folder, made = out or Path("runs") / recipe.stem, read_recipe(recipe, chosen)
    run(made, folder, resume, from_step=from_step, force=force, since=since, profile=profile)
    tell(folder, made)


@t.launching
def finetune(
    task: Annotated[
        str,
        typer.Argument(help="chat, classify, tag, extract, embed, rerank, translate, summarize, prefer or caption."),
    ],
    model: Annotated[Path, typer.Option("--model", "-m", help="A model folder, or hf:OWNER/NAME.")],
    data: Annotated[list[str], typer.Option("--data", "-d", help="A file of rows; several are mixed.")],
    overrides: o.Overrides = None,
    valid: Annotated[list[str] | None, typer.Option(help="Held-out rows, on which the metrics are measured.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe whose fields replace the task's defaults.")] = None,
    format: o.Format = None,
    columns: o.Columns = None,
    skip_bad: o.SkipBad = False,
    encoding: o.Encoding = None,
    train: Annotated[str | None, typer.Option(help="Train on which answers of a dialogue: all or last [all].")] = None,
    references: Annotated[str | None, typer.Option(help="Of several answers: sample, all or best [sample].")] = None,
    too_long: o.TooLong = None,
    template: o.ChatTemplate = None,
    lora: Annotated[
        int | None, typer.Option(min=1, max=1 << 16, help="Train only low-rank adapters (LoRA) of this rank.")
    ] = None,
    head: Annotated[bool, typer.Option(help="classify, extract: use a head on an encoder-decoder model too.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder [runs/TASK].")] = None,
    minutes: t.Minutes = None,
    profile: t.Profile = False,
    resume: t.Resume = False,
    from_step: t.FromStep = None,
    force: o.Force = False,
) -> None:
    """Train a model for a task: rows become a model folder and its metrics."""
    since = time.monotonic()
    from trivium.base.log import say
    from trivium.lab.picture import confusion
    from trivium.lab.run import outcome
    from trivium.lab.samples import show_samples
    from trivium.task.finetune import finetune, recipe_for, tell
    from trivium.task.predict import parted

    own, fields = parted(overrides or [])
    folder = out or Path("runs") / task
    options = {
        **o.reading(format, skip_bad, columns, encoding, too_long, template),
        "objective.train": train,
        "objective.references": references,
        "lora.rank": lora,
    }
    chosen = [f"{key}={value}" for key, value in options.items() if value is not None]
    made = recipe_for(task, model, data, valid or [], [*chosen, *fields, *t.timed(minutes)], recipe, head)
    _, found = finetune(task, made, folder, resume, show_samples, from_step, force, own, since, profile)
    outcome.tell(folder, made)
    tell(found)
    if picture := confusion(found, folder / "confusion.png"):
        say(f"the confusion matrix is {picture}")
