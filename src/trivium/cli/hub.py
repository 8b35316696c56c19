"""`trivium import`: check a Hugging Face folder, key by key, and write it as a Trivium model folder."""

from pathlib import Path
from typing import Annotated

import typer


def import_(
    folder: Annotated[Path, typer.Argument(help="A Hugging Face model folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The model folder to write.")],
) -> None:
    """Check every key of a Hugging Face folder and write a model folder."""
    from trivium.api import load
    from trivium.base.log import say

    model = load(folder)
    model.save(out)
    count = sum(parameter.numel() for parameter in model.transformer.parameters())
    say(f"{model.config.family} model with {count:,} parameters in {out}")
