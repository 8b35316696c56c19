"""How a command that trains starts: in one process or in several, and with an ear for the signals that stop it."""

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from trivium.base.process import stopping
from trivium.cli.argument.decorator import with_options

Processes = Annotated[
    int, typer.Option("--processes", min=1, max=1 << 10, help="Train in so many processes on this machine.")
]


def launching(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--processes`; the signals that ask a run to end are heard from its start."""

    def run(processes: int = 1, **options: Any) -> None:
        with stopping():
            if processes > 1 and "RANK" not in os.environ:  # in a process that was launched, it is known
                from trivium.train.guard.launch import launch

                raise typer.Exit(launch(processes, sys.argv[1:]))
            if "RANK" in os.environ:  # what torch prints of a lost connection is told in one line
                os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
            command(**options)

    return with_options(command, run, processes=(Processes, 1))
