"""`trivium ablate`: claims, measured at equal budget."""

from pathlib import Path
from typing import Annotated

import typer


def ablate(
    recipe: Annotated[Path, typer.Argument(help="A recipe, a TOML file: what everything is measured against.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Fields of the recipe: budget_steps=300 ...")] = None,
    axis: Annotated[
        list[str] | None,
        typer.Option(help="key=v1,v2: TOML values or words, with a name as name:value. The first is the reference."),
    ] = None,
    match: Annotated[str, typer.Option(help="What is held equal: params, flops or time.")] = "params",
    seeds: Annotated[int, typer.Option(help="Runs of each cell; all cells run once before any runs twice.")] = 3,
    minutes: Annotated[float | None, typer.Option(help="Training time of the recipe, in place of its budget.")] = None,
    workers: Annotated[int, typer.Option(help="Runs at a time; they share the cores.")] = 1,
    cross: Annotated[bool, typer.Option(help="Every combination of values, not one axis at a time.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder [runs/ablate-RECIPE].")] = None,
) -> None:
    """Run a grid of variants with equal budgets and say which differences are more than chance."""
    from trivium.study.ablate import ablate as run
    from trivium.study.grid import read_axis

    axes = [read_axis(text) for text in axis or []]
    folder = out or Path("runs") / f"ablate-{recipe.stem}"
    run(recipe, overrides or [], axes, folder, match, seeds, minutes, workers, cross)  # type: ignore[arg-type]
