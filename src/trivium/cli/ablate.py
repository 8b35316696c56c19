"""`trivium ablate`: measure variants of a recipe at equal budget."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli import options as o


def ablate(
    recipe: o.RecipeFile,
    overrides: o.Overrides = None,
    axis: Annotated[
        list[str] | None,
        typer.Option(help="key=v1,v2: TOML values or words, with a name as name:value. The first is the reference."),
    ] = None,
    match: Annotated[str, typer.Option(help="What is equal in all cells: params, flops or time.")] = "params",
    seeds: Annotated[int, typer.Option(help="Runs of each cell; all cells run once before any runs twice.")] = 3,
    minutes: Annotated[float | None, typer.Option(help="Training time of the recipe, instead of its budget.")] = None,
    workers: Annotated[int, typer.Option(help="Runs at the same time; they share the cores.")] = 1,
    cross: Annotated[bool, typer.Option(help="Run every combination of values, not one axis at a time.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder [runs/ablate-RECIPE].")] = None,
) -> None:
    """Run a grid of variants with equal budgets and report which differences are more than chance."""
    from trivium.study.ablate import ablate as run
    from trivium.study.grid import read_axis

    axes = [read_axis(text) for text in axis or []]
    folder = out or Path("runs") / f"ablate-{recipe.stem}"
    run(recipe, overrides or [], axes, folder, match, seeds, minutes, workers, cross)  # type: ignore[arg-type]
