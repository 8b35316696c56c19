"""`trivium fill` and `trivium embed`: fill gaps and compute vectors with an encoder."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli import options as o


def fill(
    model: o.ModelFolder,
    text: Annotated[str, typer.Argument(help="A text with gaps, each written [MASK].")],
    top: Annotated[int, typer.Option(help="The number of guesses for each gap.")] = 5,
) -> None:
    """Guess the gaps of a text with an encoder."""
    from trivium.api import load
    from trivium.model.device import pick

    for number, gap in enumerate(load(model, device=pick()).fill(text, top), start=1):
        print(f"gap {number}: " + "  ".join(f"{guess!r} {probability:.1%}" for guess, probability in gap))


def embed(
    model: o.ModelFolder,
    input: Annotated[Path, typer.Option(help="A file with one text per line.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npy file to write, [N, D] float32.")],
) -> None:
    """Write one vector for each line of a file."""
    from trivium.task.embed import embed_lines

    count, width = embed_lines(model, input, out)
    print(f"{count:,} vectors of {width} numbers in {out}")
