"""What ends a command early, as one line and an exit code, in the words of all other errors."""

import os
import sys
from typing import Any, NoReturn

import typer

from trivium.base.errors import LostRank, TriviumError
from trivium.base.process import Interrupted, speaks

WrongUse: Any = typer.BadParameter.__base__
"""What typer raises for options and arguments that it cannot read."""


def told(error: BaseException) -> tuple[str, int]:
    """Return the line and the exit code of what ended a command; raise it again where it is no mistake of a person."""
    match error:
        case WrongUse():
            # A command that needs words and has none has printed its help.
            return "" if type(error).__name__ == "NoArgsIsHelpError" else f"error: {misuse(error)}", 2
        case TriviumError():
            return f"error: {error}" if speaks(str(error)) else "", error.exit_code
        case KeyboardInterrupt() | typer.Abort():
            return "", 130
        case SystemExit() if isinstance(error.__context__, BrokenPipeError):
            raise error.__context__
        case _ if isinstance(error, MemoryError) or "not enough memory" in str(error) or "out of memory" in str(error):
            return "error: there is not enough memory; make the model, micro_rows or data.length smaller", 2
        case _:
            raise error


def leave(code: int) -> NoReturn:
    """End this process, after a stop and a lost process at once: a launcher, or who sent the signal, waits."""
    if code in (Interrupted.exit_code, LostRank.exit_code):
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def misuse(wrong: Any) -> str:
    """Return what is wrong with the words of a command, and where its help is."""
    from pydantic import ValidationError

    from trivium.base.explain import worded

    message = " ".join(str(wrong.format_message()).split())
    if isinstance(wrong.__cause__, ValidationError):
        problem = wrong.__cause__.errors(include_url=False)[0]
        option = str(wrong.param.opts[0])
        name = option if option.startswith("-") else option.upper()
        message = f"{name}: {worded(problem)}, found {str(problem['input'])[:80]}"
    elif message[:1].isupper():
        message = message[0].lower() + message[1:]
    return f"{message.rstrip('.')}; see `{wrong.ctx.command_path if wrong.ctx else 'trivium'} --help`"
