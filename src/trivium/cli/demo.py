"""`trivium demo`: the whole way, on text that every installation carries."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    minutes: Annotated[float, typer.Option(help="How long the whole of it may take, roughly.")] = 8.0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where everything goes.")] = Path("runs/demo"),
) -> None:
    """Text, tokenizer, pretraining, fine-tuning, evaluation: to a model that answers."""
    from trivium.study.demo import demo as run

    run(out, minutes)
