"""`trivium show`: the resolved tree of a recipe, a model folder or a data folder, and what it costs."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli import options as o


def show(
    what: Annotated[Path, typer.Argument(help="A recipe, a model folder or a data folder.")],
    overrides: o.Overrides = None,
    keys: Annotated[str | None, typer.Option(help="List the fields below this path: model.decoder")] = None,
    attention: Annotated[str | None, typer.Option(help="Show the model's attention weights for this text.")] = None,
    html: o.Html = False,
    out: o.Page = Path("attention.html"),
) -> None:
    """Show the resolved fields, sizes and costs of a recipe, model or data folder."""
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
