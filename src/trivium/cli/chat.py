"""`trivium chat`: talk to a model, on a terminal or through a pipe (one message a line)."""

import sys
from pathlib import Path
from typing import Annotated

import typer

HELP = "/reset forgets the conversation, /save FILE writes it as a JSON line, /quit (or end of input) leaves"


def chat(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    system: Annotated[str | None, typer.Option(help="A system message to begin with.")] = None,
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens of an answer.")] = 256,
    temperature: Annotated[float, typer.Option(help="0 takes the most likely token; above, tokens are drawn.")] = 0.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k most likely tokens.")] = None,
    top_p: Annotated[float, typer.Option(help="Draw from the fewest tokens that reach p together.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="Draw from tokens at least this share as likely as the first.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1, what is there becomes less likely.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same conversation.")] = None,
) -> None:
    """Talk to a model."""
    from trivium.api import load
    from trivium.base.errors import TriviumError
    from trivium.model.device import pick

    talk = load(model, device=pick()).conversation(
        max_new_tokens,
        system=system,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        seed=seed,
    )
    terminal = sys.stdin.isatty()
    if terminal:
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
        except KeyboardInterrupt:  # the answer is enough; the conversation goes on
            print()
        except TriviumError as wrong:
            if not terminal:
                raise
            print(wrong)
