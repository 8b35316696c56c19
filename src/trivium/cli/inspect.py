"""`trivium inspect`: exactly what a run is trained on, token by token."""

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    words: Annotated[list[str] | None, typer.Argument(help="A recipe, and fields of it: data.length=64 ...")] = None,
    task: Annotated[str | None, typer.Option(help="Instead of a recipe: the task of `finetune`.")] = None,
    model: Annotated[Path | None, typer.Option("--model", "-m", help="The model folder of --task.")] = None,
    data: Annotated[list[str] | None, typer.Option("--data", "-d", help="The files of rows of --task.")] = None,
    rows: Annotated[int, typer.Option("--rows", "-n", help="How many rows to show.")] = 1,
    start: Annotated[int, typer.Option(help="The first sample to show.")] = 0,
    html: Annotated[bool, typer.Option("--html", help="Write a page instead of lines.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("inspect.html"),
) -> None:
    """Each position: its token, what it must predict, document, role, and whether the loss is on.

    Then the shares of tokens without loss, padding and packed rows. What looks wrong sets the exit code to 1.
    """
    from trivium.base.errors import ConfigError
    from trivium.lab.inspect import examine
    from trivium.task.finetune import recipe_for
    from trivium.train.recipe import read_recipe

    words = words or []
    if task is not None:
        if model is None or not data:
            raise ConfigError("--task: expected --model and --data with it")
        recipe = recipe_for(task, model, data, words=words)
    elif not words:
        raise ConfigError("inspect: expected a recipe, or --task with --model and --data")
    else:
        recipe = read_recipe(words[0], words[1:])
    raise typer.Exit(examine(recipe, rows, start, out if html else None))
