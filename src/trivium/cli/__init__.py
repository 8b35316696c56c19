"""The command line: each file parses, calls one function and prints. A command imports torch only when it runs."""

import io
import os
import sys
from collections.abc import Callable

import typer

from trivium.base.errors import TriviumError
from trivium.cli.chat import chat
from trivium.cli.decorator import importing, revising
from trivium.cli.evaluate import evaluate
from trivium.cli.finetune import finetune, predict, train
from trivium.cli.generate import embed, fill, generate
from trivium.cli.hub import export, import_, push
from trivium.cli.inspect import inspect
from trivium.cli.prepare import prepare
from trivium.cli.recipes import recipes
from trivium.cli.show import schema, show
from trivium.cli.study import ablate, compare, demo
from trivium.cli.tokenizer import tokenizer

app = typer.Typer(
    name="trivium",
    help="From a folder of raw text to a trained, fine-tuned and exported Transformer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # in rich's own markup a [default] would vanish
)
app.command()(demo)
app.command()(recipes)
for command in (train, compare, ablate, push, schema):
    app.command()(importing(command))
LOADING: list[Callable[..., None]] = [prepare, finetune, predict, evaluate, generate, chat, fill, embed]
LOADING += [export, inspect, show]
"""The commands that take a model, which may lie on the hub."""
for command in LOADING:
    app.command()(importing(revising(command)))
app.command("import")(importing(revising(import_)))
app.add_typer(tokenizer)


def main() -> None:
    """Run the command line. A TriviumError is one line on the error stream and its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a console that cannot show a character gets its number
    try:
        app()
    except TriviumError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
