"""Outcome: how a run ended, in a few lines. Its loss, its speed, its curve, and the next commands."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

import numpy as np

from trivium.base.errors import DataError
from trivium.base.log import FIRST, duration, figures, say
from trivium.lab.picture import Curve, loss_curve, read, smoothed
from trivium.train.recipe import Recipe

BLOCKS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
WIDE = 60
"""The most characters of a sparkline."""


def tell(folder: Path, recipe: Recipe) -> None:
    """Print how the run in a folder ended, with the next commands; draw its losses as `curve.png` there."""
    if not FIRST:
        return
    curve, picture = read(folder / "metrics.jsonl"), folder / "curve.png"
    try:
        loss_curve(folder / "metrics.jsonl", picture, title=folder.name)
    except DataError:  # no step had a loss
        return say(f"the model is in {folder / 'model'}")
    for line in lines(curve):
        say(line)
    say(f"the curve is {picture}, the model is in {folder / 'model'}")
    for command, what in following(folder / "model", recipe):
        say(f"  {command:<60} {what}")


def lines(curve: Curve) -> Iterator[str]:
    """Yield steps, tokens, time and speed of a run; its losses at the start and at the end; the curve in a line."""
    done, tokens = (part[-1] if part else 0 for part in (curve.steps, curve.tokens))
    speed = f" in {duration(curve.seconds)}, {figures(tokens / curve.seconds)} tokens/s" if curve.seconds else ""
    yield f"{done:,} steps, {tokens:,} tokens{speed}"
    if curve.losses:
        yield f"training loss {curve.losses[0]:.3f} at step {curve.steps[0]}, {smoothed(curve)[-1]:.3f} at the end"
    if curve.valid_losses:
        first = f"{curve.valid_losses[0]:.3f} at the start, " if curve.valid_steps[0] == 0 else ""
        yield f"held-out loss {first}{curve.valid_losses[-1]:.3f} at the end"
    else:
        yield "no held-out loss: there are no held-out rows"
    if len(curve.losses) > 1 and printable(line := sparkline(smoothed(curve))):
        yield f"loss {line}"


def sparkline(values: Sequence[float] | np.ndarray, wide: int = WIDE) -> str:
    """Return values [N] as blocks of eight heights, from their least to their greatest; neighbours are averaged."""
    means = [part.mean() for part in np.array_split(np.asarray(values, dtype=float), min(wide, len(values)))]
    low, high = min(means), max(means)
    return "".join(BLOCKS[round((mean - low) / ((high - low) or 1) * (len(BLOCKS) - 1))] for mean in means)


def printable(text: str) -> bool:
    """Return whether the console can show a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def following(model: Path, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the next commands for a trained model, and what each does."""
    reads, trivium = recipe.objective.reads, f"trivium {{}} {quote(str(model))}"
    held_out = (*recipe.data.valid, *recipe.data.path)[0]
    if reads == "conversations":
        yield trivium.format("chat"), "ask it something"
    elif reads == "records":
        yield f"{trivium.format('predict')} --input FILE", "what it says of new rows"
    elif "encoder" in recipe.objective.families:
        yield f'{trivium.format("fill")} "A text with a [MASK]."', "what it puts into a gap"
    else:
        yield f'{trivium.format("generate")} --prompt "Once upon a time"', "what it writes"
    yield f"{trivium.format('evaluate')} --data {quote(held_out)}", "score it"
    if reads == "documents":
        yield f"trivium finetune chat --model {quote(str(model))} --data FILE", "tune it for a task"
