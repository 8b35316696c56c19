"""`trivium compare`: train the three families on one corpus and compare them in one table."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    data: Annotated[Path, typer.Option(help="A data folder.")],
    families: Annotated[
        str, typer.Option(help="The families, separated by commas.")
    ] = "decoder,encoder,encoder_decoder",
    budget_flops: Annotated[float, typer.Option(help="The FLOPs of each run.")] = 5e12,
    seeds: Annotated[int, typer.Option(help="Runs of each family.")] = 1,
    layers: Annotated[int, typer.Option(help="Layers; an encoder-decoder has half of them in each stack.")] = 4,
    hidden_size: Annotated[int, typer.Option(help="The width, a multiple of 64.")] = 256,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of runs, table and page.")] = Path(
        "runs/compare"
    ),
) -> None:
    """Train the three families on one corpus with one budget and compare them."""
    from trivium.study.compare import compare as run

    run(data, out, families.split(","), budget_flops, seeds, layers, hidden_size)
