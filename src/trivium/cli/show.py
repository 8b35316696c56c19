"""`trivium show` and `trivium schema`: what a recipe or folder is, and what a recipe may hold."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli import options as o


def schema(
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON file.")] = Path("recipe.schema.json"),
) -> None:
    """Write the JSON schema of recipes, with which editors complete and check them."""
    from trivium.base.files import write_json
    from trivium.base.log import say
    from trivium.base.schema import schema
    from trivium.train.recipe import Recipe

    write_json(out, schema(Recipe))
    say(f"the schema is {out}; name it in the first line of a recipe: #:schema {out}")


def show(
    what: Annotated[
        Path | None, typer.Argument(help="A recipe, a model (folder or hf:OWNER/NAME), or a data folder.")
    ] = None,
    overrides: o.Overrides = None,
    keys: Annotated[str | None, typer.Option(help="List the fields below this path: model.decoder")] = None,
    attention: Annotated[str | None, typer.Option(help="Show the model's attention weights for this text.")] = None,
    html: o.Html = False,
    out: o.Page = Path("attention.html"),
) -> None:
    """Show the resolved fields, sizes and costs of a recipe, model or data folder."""
    from trivium.base.errors import ConfigError
    from trivium.base.log import result, say

    if what is None and keys is None:
        raise ConfigError("show: expected a recipe, a model folder or a data folder, or --keys")
    if attention is not None:
        from trivium import api
        from trivium.lab.attention import lines, look, write

        layers = look(api.load(what), attention)
        for line in lines(layers):
            result(line)
        if html:
            write(layers, f"Attention of {what}: {attention}", out)
            say(f"the page is {out}")
        return
    if html:
        raise ConfigError("--html: expected --attention with a text to look at")
    from trivium.lab.show import describe, list_keys

    for line in list_keys(keys, what) if keys is not None else describe(what, overrides or []):
        result(line)
