"""The options of the commands that train: each has one spelling and one help text."""

from typing import Annotated

import typer

from trivium.cli.argument.launching import launching as launching

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
ReplayCheck = Annotated[
    int | None,
    typer.Option(
        "--replay-check", min=1, max=1 << 30, help="Compute each Nth step twice; another result ends the run."
    ),
]


def timed(minutes: float | None) -> list[str]:
    """Return the override that makes these minutes the budget of a recipe."""
    return [] if minutes is None else [f"budget_minutes={minutes}"]


def checked(every: int | None) -> list[str]:
    """Return the override that computes each so many steps of a recipe twice."""
    return [] if every is None else [f"replay_every_steps={every}"]
