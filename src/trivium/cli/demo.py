"""`trivium demo`: all steps, on text that every installation contains."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    minutes: Annotated[float, typer.Option(help="The approximate time of the whole demo, in minutes.")] = 8.0,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of all results.")] = Path("runs/demo"),
) -> None:
    """Run text, tokenizer, pretraining, fine-tuning and evaluation, up to a model that answers."""
    from trivium.study.demo import demo as run

    run(out, minutes)
