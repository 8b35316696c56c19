"""`trivium chat`: talk to a model, on a terminal or through a pipe (one message per line)."""

import sys
from contextlib import suppress
from typing import Annotated

import typer

from trivium.cli.argument import options as o
from trivium.cli.argument import sampling as s

HELP = "/reset forgets the conversation, /save FILE writes it as a JSON line, /quit (or end of input) leaves"


def chat(
    context: typer.Context,
    model: o.ModelFolder,
    system: Annotated[str | None, typer.Option(help="The system message.")] = None,
    max_new_tokens: s.MaxNewTokens = None,
    temperature: s.Temperature = 0.0,
    top_k: s.TopK = None,
    top_p: s.TopP = 1.0,
    min_p: s.MinP = 0.0,
    repetition_penalty: s.RepetitionPenalty = 1.0,
    seed: s.Seed = None,
    template: o.ChatTemplate = None,
    weights: o.Weights = "own",
    exact: o.Exact = False,
    check: s.Check = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Show what of each answer stands in the training data.")
    ] = False,
) -> None:
    """Talk to a model."""
    from trivium.base.errors import TriviumError
    from trivium.base.log import say

    terminal = sys.stdin.isatty()
    if terminal:
        say(f"loading {model} ...")
    from trivium.api import load  # takes a while itself
    from trivium.lab.trace import Tracer
    from trivium.model.device import pick

    loaded = load(model, device=pick(), template=template, weights=weights, exact=exact)
    s.checked(model, loaded, weights, check)
    tracer = Tracer(model) if trace else None
    talk = loaded.conversation(max_new_tokens, system=system, **o.given(context, s.SAMPLING))
    if terminal:
        with suppress(ImportError):  # Windows has none
            import readline  # noqa: F401  (gives input() its history and editing)
        print(HELP)
    while True:
        try:
            line = input("> " if terminal else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        command, _, rest = line.partition(" ")
        try:
            if command == "/quit":
                return
            if command == "/reset":
                talk.reset()
            elif command == "/save" and rest.strip():
                talk.save(rest.strip())
            elif line.startswith("/"):
                print(HELP)
            elif line:
                for piece in talk.reply(line):
                    print(piece, end="", flush=True)
                print()
                for found in tracer.lines(talk.history[-1].content) if tracer else ():
                    print(f"  {found}")
        except KeyboardInterrupt:  # ends this answer; the conversation continues
            print()
        except TriviumError as wrong:
            if not terminal:
                raise
            print(wrong)
