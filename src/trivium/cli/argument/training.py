"""The options of the commands that train: each has one spelling and one help text."""

from typing import Annotated

import typer

Resume = Annotated[bool, typer.Option("--resume", help="Continue from the newest checkpoint of the run folder.")]
FromStep = Annotated[
    int | None, typer.Option("--from-step", min=1, help="Continue from this older checkpoint; newer ones are renamed.")
]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes", min=0.01, max=1e6, help="Train for this time, start to end, in place of the recipe's budget."
    ),
]
Profile = Annotated[bool, typer.Option("--profile", help="Trace a few steps, print the dearest operators, and go on.")]


def timed(minutes: float | None) -> list[str]:
    """Return the override that makes these minutes the budget of a recipe."""
    return [] if minutes is None else [f"budget_minutes={minutes}"]
