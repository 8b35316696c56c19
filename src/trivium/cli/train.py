"""`trivium train`: train the model of a recipe into a run folder."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli import options as o


def train(
    recipe: o.RecipeFile,
    overrides: o.Overrides = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder [runs/RECIPE].")] = None,
    resume: o.Resume = False,
) -> None:
    """Train a fresh model, or continue from one, with any objective."""
    from trivium.base.log import say
    from trivium.task.run import run
    from trivium.train.recipe import read_recipe

    folder = out or Path("runs") / recipe.stem
    model = run(read_recipe(recipe, overrides or ()), folder, resume)
    say(f"the model is in {model}")
