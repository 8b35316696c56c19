"""`trivium show`: the resolved tree of a recipe, a model folder or a data folder, and what it costs."""

from pathlib import Path
from typing import Annotated

import typer


def show(
    what: Annotated[Path, typer.Argument(help="A recipe, a model folder or a data folder.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Fields of the recipe: model.depth=6 ...")] = None,
    keys: Annotated[str | None, typer.Option(help="List the fields below this path instead: model.decoder")] = None,
) -> None:
    """What a recipe, model or data folder comes to."""
    from trivium.base.log import say
    from trivium.lab.show import describe, list_keys

    for line in list_keys(keys) if keys is not None else describe(what, overrides or []):
        say(line)
