"""The command line: each file parses, calls one function and prints. A command imports torch only when it runs."""

import io
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from trivium.base.errors import EXIT_CODES
from trivium.cli.argument.decorator import importing, revising, speaking_as, taking
from trivium.cli.argument.mistake import leave, told
from trivium.cli.chat import chat
from trivium.cli.evaluate import evaluate
from trivium.cli.finetune import finetune, train
from trivium.cli.generate import embed, fill, generate
from trivium.cli.hub import export, import_, push
from trivium.cli.lines import lines, read
from trivium.cli.predict import predict
from trivium.cli.prepare import prepare
from trivium.cli.recipes import learn, recipes, schema
from trivium.cli.serve import serve
from trivium.cli.show import inspect, show
from trivium.cli.study import ablate, compare, demo, plan
from trivium.cli.tokenizer import tokenizer
from trivium.cli.trace import report, trace, why
from trivium.cli.verify import verify

app = typer.Typer(
    name="trivium",
    help="From a folder of raw text to a trained, fine-tuned, served and exported Transformer.",
    epilog="Exit codes: " + "; ".join(f"{code} {what}" for code, what in EXIT_CODES.items()) + ".",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # in rich's own markup a [default] would vanish
)
COMMANDS: list[Callable[..., None]] = [demo, recipes, prepare, train, finetune, evaluate, predict, generate, chat, fill]
COMMANDS += [embed, lines, read, serve, show, inspect, trace, why, report, verify, import_, export, push]
COMMANDS += [plan, compare, ablate, learn, schema]  # in the order of the help
PLAIN = demo, recipes, lines, report, learn
"""The commands that take no kinds of one's own."""
LOCAL = train, plan, push, why, compare, ablate, schema
"""Those that take no model, or none of the hub."""
for command in COMMANDS:
    made = speaking_as(command)
    loading = command not in (*PLAIN, *LOCAL)
    made = taking(made) if loading or command in (train, push) else made
    made = revising(made) if loading else made
    app.command(command.__name__.strip("_"))(made if command in PLAIN else importing(made))
app.add_typer(tokenizer)


def _version(asked: bool) -> None:
    if asked:
        print(f"trivium {version('trivium')}")
        raise typer.Exit()


@app.callback()
def trivium(
    asked: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """From a folder of raw text to a trained, fine-tuned, served and exported Transformer."""


def run(words: list[str]) -> int:
    """Run a command line and return its exit code; a mistake is one line on the error stream."""
    try:
        return int(app(words, prog_name="trivium", standalone_mode=False) or 0)
    except BaseException as error:
        line, code = told(error)
        if line:
            print(line, file=sys.stderr)
        return code


def main() -> None:
    """Run the command line of this process."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a console that cannot show a character gets its number
    try:
        leave(run(sys.argv[1:]))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
