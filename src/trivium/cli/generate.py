"""`trivium generate`: continue a prompt, word by word."""

from pathlib import Path
from typing import Annotated

import typer


def generate(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    prompt: Annotated[str, typer.Option(help="The text to continue.")],
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens to write.")] = 64,
    temperature: Annotated[float, typer.Option(help="0 takes the most likely token; above, tokens are drawn.")] = 0.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k most likely tokens.")] = None,
    top_p: Annotated[float, typer.Option(help="Draw from the fewest tokens that reach p together.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="Draw from tokens at least this share as likely as the first.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1, what is there becomes less likely.")] = 1.0,
    stop: Annotated[list[str] | None, typer.Option(help="A text that ends the output; may be repeated.")] = None,
    num_beams: Annotated[int, typer.Option(help="Above 1: search for the most likely text with so many beams.")] = 1,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same text.")] = None,
) -> None:
    """Continue a prompt."""
    from trivium.api import load
    from trivium.model.device import pick

    loaded = load(model, device=pick())
    if num_beams > 1:
        print(loaded.generate(prompt, max_new_tokens, num_beams=num_beams))
        return
    pieces = loaded.stream(
        prompt,
        max_new_tokens,
        stop,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        seed=seed,
    )
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
