"""`trivium fill` and `trivium embed`: what an encoder makes of text."""

from pathlib import Path
from typing import Annotated

import typer


def fill(
    model: Annotated[Path, typer.Argument(help="The folder of an encoder.")],
    text: Annotated[str, typer.Argument(help="A text with gaps, each written [MASK].")],
    top: Annotated[int, typer.Option(help="How many guesses for each gap.")] = 5,
) -> None:
    """Guess the gaps of a text."""
    from trivium.api import load
    from trivium.model.device import pick

    for number, gap in enumerate(load(model, device=pick()).fill(text, top), start=1):
        print(f"gap {number}: " + "  ".join(f"{guess!r} {probability:.1%}" for guess, probability in gap))


def embed(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    input: Annotated[Path, typer.Option(help="A file with one text a line.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npy file to write, [N, D] float32.")],
) -> None:
    """One vector for each line of a file."""
    from trivium.task.embed import embed_lines

    count, width = embed_lines(model, input, out)
    print(f"{count:,} vectors of {width} numbers in {out}")
