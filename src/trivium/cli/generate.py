"""`trivium generate`, `trivium fill` and `trivium embed`: continue a prompt, fill gaps, compute vectors."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o
from trivium.cli.argument import sampling as s


def generate(
    context: typer.Context,
    model: o.ModelFolder,
    prompt: Annotated[
        str | None, typer.Option(help="The text to continue, or to answer; beside --image a question about it.")
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(help="A picture, for a model that reads them; may be repeated: a line for each."),
    ] = None,
    max_new_tokens: s.MaxNewTokens = None,
    temperature: s.Temperature = 0.0,
    top_k: s.TopK = None,
    top_p: s.TopP = 1.0,
    min_p: s.MinP = 0.0,
    repetition_penalty: s.RepetitionPenalty = 1.0,
    no_repeat_ngram: s.NoRepeatNgram = 0,
    min_new_tokens: s.MinNewTokens = 0,
    stop: Annotated[list[str] | None, typer.Option(help="A text that ends the output; may be repeated.")] = None,
    num_beams: s.NumBeams = None,
    seed: s.Seed = None,
    weights: o.Weights = "own",
    exact: o.Exact = False,
    check: s.Check = None,
) -> None:
    """Continue a prompt, or write of a picture."""
    from trivium.api import load
    from trivium.base.errors import ConfigError
    from trivium.model.device import pick

    if prompt is None and not image:
        raise ConfigError("generate: expected --prompt, or --image for a model that reads pictures")
    loaded = load(model, device=pick(), weights=weights, exact=exact)
    s.checked(model, loaded, weights, check)
    options = o.given(context, (*s.SAMPLING, "no_repeat_ngram", "min_new_tokens"))
    num_beams = loaded.beams(num_beams, stop, options)
    if image and (num_beams != 1 or len(image) > 1):
        for text in loaded.generate(prompt or "", max_new_tokens, stop, num_beams, images=image, **options):
            print(text)
        return
    if num_beams != 1:
        print(loaded.generate(prompt or "", max_new_tokens, stop, num_beams, **options))
        return
    for piece in loaded.stream(prompt or "", max_new_tokens, stop, image=image[0] if image else None, **options):
        print(piece, end="", flush=True)
    print()


def fill(
    model: o.ModelFolder,
    text: Annotated[str, typer.Argument(help="A text with gaps, each written [MASK].")],
    top: Annotated[int, typer.Option(min=1, max=10_000, help="The number of guesses for each gap.")] = 5,
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
    prompt: Annotated[str | None, typer.Option(help="The name of a prompt of the model, put before each line.")] = None,
    force: o.Force = False,
) -> None:
    """Write one vector for each line of a file."""
    from trivium.base.files import vacant
    from trivium.task.embed import embed_lines

    vacant(out, force)
    count, width = embed_lines(model, input, out, prompt)
    print(f"{count:,} vectors of {width} numbers in {out}")
