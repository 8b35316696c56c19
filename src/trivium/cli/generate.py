"""`trivium generate`: continue a prompt, piece by piece."""

from typing import Annotated

import typer

from trivium.cli import options as o


def generate(
    context: typer.Context,
    model: o.ModelFolder,
    prompt: Annotated[str, typer.Option(help="The text to continue.")],
    max_new_tokens: o.MaxNewTokens = 64,
    temperature: o.Temperature = 0.0,
    top_k: o.TopK = None,
    top_p: o.TopP = 1.0,
    min_p: o.MinP = 0.0,
    repetition_penalty: o.RepetitionPenalty = 1.0,
    stop: Annotated[list[str] | None, typer.Option(help="A text that ends the output; may be repeated.")] = None,
    num_beams: Annotated[int, typer.Option(help="Above 1: beam search with this many beams.")] = 1,
    seed: o.Seed = None,
) -> None:
    """Continue a prompt."""
    from trivium.api import load
    from trivium.infer.sampling import Sampling
    from trivium.model.device import pick

    loaded, sampling = load(model, device=pick()), o.given(context, o.SAMPLING)
    if num_beams > 1:
        changed = {name: value for name, value in sampling.items() if value != getattr(Sampling(), name)}
        print(loaded.generate(prompt, max_new_tokens, stop, num_beams, **changed))
        return
    for piece in loaded.stream(prompt, max_new_tokens, stop, **sampling):
        print(piece, end="", flush=True)
    print()
