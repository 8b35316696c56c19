"""`trivium trace`, `why` and `report`: where a text stands in the training data, and how runs went."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o

Data = Annotated[
    list[Path] | None, typer.Option("--data", "-d", help="A data folder; repeatable [those the model was trained on].")
]


def trace(
    model: o.ModelFolder,
    text: Annotated[str, typer.Argument(help="The text to look for; - reads it from standard input.")],
    data: Data = None,
    least: Annotated[int, typer.Option(min=1, max=1 << 20, help="The least tokens of a part that is told.")] = 8,
    html: o.Html = False,
    out: o.Page = Path("trace.html"),
) -> None:
    """Show which parts of a text stand word for word in a model's training data, and where.

    The data need an index: `trivium prepare SOURCE -o FOLDER --index`.
    """
    from trivium.lab.trace import Tracer, tell

    tracer = Tracer(model, data or (), least)
    tell(tracer, sys.stdin.read() if text == "-" else text, out if html else None)


def why(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    step: Annotated[int | None, typer.Option(min=1, help="Show the documents of this step.")] = None,
    worst: Annotated[
        int | None,
        typer.Option(min=1, max=1 << 20, help="Show so many of the dearest held-out documents, or of the step."),
    ] = None,
) -> None:
    """List the documents of a step of a run, or the held-out ones that cost most, each with its loss."""
    from trivium.base.errors import ConfigError
    from trivium.lab.run.why import tell

    if step is None and worst is None:
        raise ConfigError("why: expected --step S, --worst N or both")
    tell(run, step, worst)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML page.")] = Path("report.html"),
) -> None:
    """Write a page on runs: results, curves, speed, what differs in their recipes, machines; also while they go on."""
    from trivium.lab.run.report import report as write

    write(runs, out)
