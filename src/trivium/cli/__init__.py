"""The command line: each file parses, calls one function and prints. A command imports torch only when it runs."""

import os
import sys

import typer

from trivium.base.errors import TriviumError
from trivium.cli.ablate import ablate
from trivium.cli.chat import chat
from trivium.cli.compare import compare
from trivium.cli.demo import demo
from trivium.cli.encode import embed, fill
from trivium.cli.evaluate import evaluate
from trivium.cli.finetune import finetune, predict
from trivium.cli.generate import generate
from trivium.cli.hub import export, import_
from trivium.cli.inspect import inspect
from trivium.cli.options import importing
from trivium.cli.prepare import prepare
from trivium.cli.show import show
from trivium.cli.tokenizer import tokenizer
from trivium.cli.train import train

app = typer.Typer(
    name="trivium",
    help="From a folder of raw text to a trained, fine-tuned and exported Transformer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # in rich's own markup a [default] would vanish
)
for command in (
    demo,
    prepare,
    train,
    finetune,
    predict,
    evaluate,
    generate,
    chat,
    fill,
    embed,
    compare,
    ablate,
    export,
    inspect,
    show,
):
    app.command()(command if command is demo else importing(command))
app.command("import")(importing(import_))
app.add_typer(tokenizer)


def main() -> None:
    """Run the command line. A TriviumError is one line on the error stream and its exit code."""
    try:
        app()
    except TriviumError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
