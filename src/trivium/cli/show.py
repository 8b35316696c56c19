"""`trivium show`: the resolved tree of a recipe, a model folder or a data folder, and what it costs."""

from pathlib import Path
from typing import Annotated

import typer


def show(
    what: Annotated[Path, typer.Argument(help="A recipe, a model folder or a data folder.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Fields of the recipe: model.depth=6 ...")] = None,
    keys: Annotated[str | None, typer.Option(help="List the fields below this path instead: model.decoder")] = None,
    attention: Annotated[str | None, typer.Option(help="Show what a model looks at in this text instead.")] = None,
    html: Annotated[bool, typer.Option("--html", help="Write that as a page of heat maps.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("attention.html"),
) -> None:
    """What a recipe, model or data folder comes to."""
    from trivium.base.errors import ConfigError
    from trivium.base.log import say

    if attention is not None:
        from trivium import api
        from trivium.lab.attention import lines, look, write

        layers = look(api.load(what), attention)
        for line in lines(layers):
            say(line)
        if html:
            write(layers, f"Attention of {what}: {attention}", out)
            say(f"the page is {out}")
        return
    if html:
        raise ConfigError("--html: expected --attention with a text to look at")
    from trivium.lab.show import describe, list_keys

    for line in list_keys(keys) if keys is not None else describe(what, overrides or []):
        say(line)
