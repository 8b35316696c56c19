"""`trivium train`: what a recipe says, into a run folder."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, a TOML file.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Fields of the recipe: optim.lr=3e-4 ...")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder [runs/RECIPE].")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the newest checkpoint of the run folder.")] = False,
) -> None:
    """Train a fresh model, or go on from one; any objective."""
    from trivium.base.log import say
    from trivium.task.run import run
    from trivium.train.recipe import read_recipe

    folder = out or Path("runs") / recipe.stem
    model = run(read_recipe(recipe, overrides or ()), folder, resume)
    say(f"the model is in {model}")
