"""`trivium show` and `trivium inspect`: what a recipe or folder is, and what a run is trained on."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o


def show(
    what: Annotated[
        Path | None, typer.Argument(help="A recipe, a model (folder or hf:OWNER/NAME), or a data folder.")
    ] = None,
    overrides: o.Overrides = None,
    keys: Annotated[str | None, typer.Option(help="List the fields below this path: model.decoder")] = None,
    attention: Annotated[str | None, typer.Option(help="Show the model's attention weights for this text.")] = None,
    image: Annotated[Path | None, typer.Option(help="Show where the model looks in this picture as it writes.")] = None,
    prompt: Annotated[str, typer.Option(help="A question about the picture.")] = "",
    html: o.Html = False,
    out: o.Page = Path("attention.html"),
) -> None:
    """Show the resolved fields, sizes and costs of a recipe, model or data folder."""
    from trivium.base.errors import ConfigError
    from trivium.base.log import result

    if keys is not None:
        if attention is not None or overrides:
            raise ConfigError("--keys: lists fields, and nothing of a text or an override; leave the others out")
        from trivium.lab.show import list_keys

        for line in list_keys(keys, what):
            result(line)
        return
    if what is None:
        raise ConfigError("show: expected a recipe, a model folder or a data folder, or --keys")
    if attention is not None or image is not None:
        from trivium.lab.gaze import show as look

        return look(what, attention, image, prompt, out if html else None)
    if html or prompt:
        raise ConfigError(f"--{'html' if html else 'prompt'}: expected --attention with a text, or --image, to look at")
    from trivium.lab.show import describe

    for line in describe(what, overrides or []):
        result(line)


def inspect(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECIPE] [OVERRIDES]...", help="A recipe, and overrides of it: data.length=64 ..."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="A task of `finetune`, instead of a recipe.")] = None,
    model: Annotated[Path | None, typer.Option("--model", "-m", help="The model folder of --task.")] = None,
    data: Annotated[list[str] | None, typer.Option("--data", "-d", help="The files of rows of --task.")] = None,
    format: o.Format = None,
    columns: o.Columns = None,
    skip_bad: o.SkipBad = False,
    encoding: o.Encoding = None,
    too_long: o.TooLong = None,
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="The number of rows to show.")] = 1,
    start: Annotated[int, typer.Option(min=0, help="The first sample to show.")] = 0,
    html: o.Html = False,
    out: o.Page = Path("inspect.html"),
) -> None:
    """Show each position of a row: its token, target, document and role, and whether it counts in the loss.

    Then show the shares of tokens without loss, of padding and of packed rows. A problem sets the exit code to 1.
    """
    from trivium.base.errors import ConfigError
    from trivium.lab.inspect import examine
    from trivium.task.finetune import recipe_for
    from trivium.train.recipe import read_recipe

    given = o.reading(format, skip_bad, columns, encoding, too_long)
    chosen = [f"{key}={value}" for key, value in given.items() if value is not None]
    words = words or []
    if task is not None:
        if model is None or not data:
            raise ConfigError("--task: expected --model and --data with it")
        recipe = recipe_for(task, model, data, overrides=[*chosen, *words])
    elif not words:
        raise ConfigError("inspect: expected a recipe, or --task with --model and --data")
    else:
        recipe = read_recipe(words[0], [*chosen, *words[1:]])
    raise typer.Exit(examine(recipe, rows, start, out if html else None))
