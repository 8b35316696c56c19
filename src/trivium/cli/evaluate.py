"""`trivium evaluate`: what a model makes of held-out text."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    data: Annotated[Path, typer.Option(help="A data folder; its held-out documents are scored.")],
    length: Annotated[int | None, typer.Option(help="Tokens in a row [the model's context].")] = None,
) -> None:
    """Loss, perplexity and bits per byte on held-out text."""
    from trivium.base.log import say
    from trivium.task.evaluate import score_folder

    score = score_folder(model, data, length)
    say(f"loss {score.loss:.4f} nats per token, perplexity {score.perplexity:,.2f}, {score.targets:,} tokens")
    say(f"bits per byte {score.bits_per_byte:.4f}")
