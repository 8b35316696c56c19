"""The options of commands that write text: how tokens are chosen, and how many."""

from pathlib import Path
from typing import Annotated, Any

import typer

from trivium.base.seeds import LARGEST

MaxNewTokens = Annotated[
    int | None, typer.Option(min=1, help="The maximum number of tokens to write [the folder's, or 64, in a chat 256].")
]
Temperature = Annotated[
    float, typer.Option(min=0, max=100, help="0 takes the most likely token; above 0, tokens are sampled.")
]
TopK = Annotated[int | None, typer.Option(min=1, help="Sample from the k most likely tokens.")]
TopP = Annotated[
    float, typer.Option(min=0, max=1, help="Sample from the fewest tokens with a total probability of at least p.")
]
MinP = Annotated[
    float, typer.Option(min=0, max=1, help="Sample from tokens at least min_p times as likely as the first.")
]
RepetitionPenalty = Annotated[
    float, typer.Option(min=0, max=1e9, help="Above 1, tokens that already occur become less likely.")
]
NoRepeatNgram = Annotated[int, typer.Option(min=0, help="No run of this many tokens comes twice; 0 is no limit.")]
MinNewTokens = Annotated[int, typer.Option(min=0, help="The text does not end before this many tokens.")]
Check = Annotated[
    str | None,
    typer.Option(help="Say first what --weights costs, in bits per byte: on a file, a data folder, or auto."),
]
NumBeams = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Above 1: beam search with this many beams [the folder's, or 1].")
]
Seed = Annotated[int | None, typer.Option(min=0, max=LARGEST, help="The same seed gives the same text.")]
SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed")


def checked(folder: Path, model: Any, weights: str, source: str | None) -> None:
    """Say what the weights of a loaded model cost, where a source of text is given."""
    if source is not None:
        from trivium.base.log import note
        from trivium.task.check import check  # the trainer's room takes a while

        note(check(folder, model, weights, source))
