"""`trivium inspect`: exactly what a run is trained on, token by token."""

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    recipe: Annotated[Path, typer.Argument(help="A recipe, a TOML file.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Fields of the recipe: data.length=64 ...")] = None,
    rows: Annotated[int, typer.Option("--rows", "-n", help="How many rows to show.")] = 1,
    start: Annotated[int, typer.Option(help="The first sample to show.")] = 0,
) -> None:
    """Each position: its token, what it must predict, document, role, and whether the loss is on."""
    from trivium.lab.inspect import examine

    raise typer.Exit(examine(recipe, overrides or [], rows, start))
