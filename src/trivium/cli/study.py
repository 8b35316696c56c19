"""`trivium demo`, `plan`, `compare` and `ablate`: all steps in one, a run before it is paid, families, variants."""

import time
from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o


def demo(
    minutes: Annotated[
        float, typer.Option(min=0.01, max=100_000, help="The time of the whole demo, in minutes.")
    ] = 10.0,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of all results.")] = Path("runs/demo"),
) -> None:
    """Run text, tokenizer, pretraining, fine-tuning and evaluation, up to a model that answers."""
    since = time.monotonic()
    from trivium.study.demo import demo as run

    run(out, minutes, since)


def plan(
    recipe: o.RecipeFile,
    overrides: o.Overrides = None,
    gpus: Annotated[int, typer.Option(min=1, max=1 << 20, help="Devices, with one process each.")] = 1,
    device: Annotated[str, typer.Option(help="cpu (this machine), h100, h200, a100, l40s or rtx4090.")] = "cpu",
    mfu: Annotated[float, typer.Option(min=0.001, max=1, help="The share of its FLOP/s that is reached.")] = 0.4,
    price: Annotated[float | None, typer.Option(min=0, max=1e6, help="The price of a device and hour.")] = None,
    memory: Annotated[float | None, typer.Option(min=0.01, max=1e6, help="GB of a device [the table's].")] = None,
    tflops: Annotated[float | None, typer.Option(min=1e-6, max=1e6, help="Its TFLOP/s [the table's].")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a run of `train` needs: memory of each rank, FLOPs, hours, cost, and what would make it fit."""
    from trivium.lab.plan import plan as room
    from trivium.train.recipe import read_recipe

    room.tell(room.plan(read_recipe(recipe, overrides or ()), gpus, device, mfu, price, memory, tflops), json)


def compare(
    data: Annotated[Path, typer.Option(help="A data folder.")],
    families: Annotated[str, typer.Option(help="The families, with commas.")] = "decoder,encoder,encoder_decoder",
    budget_flops: Annotated[float, typer.Option(min=1, max=1e30, help="The FLOPs of each run.")] = 5e12,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Runs of each family.")] = 1,
    layers: Annotated[
        int, typer.Option(min=1, max=4096, help="Layers; an encoder-decoder has half of them in each stack.")
    ] = 4,
    hidden_size: Annotated[int, typer.Option(min=64, max=1 << 24, help="The width, a multiple of 64.")] = 256,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the results.")] = Path("runs/compare"),
) -> None:
    """Train the three families on one corpus with one budget and compare them."""
    from trivium.study.compare import compare as run

    run(data, out, families.split(","), budget_flops, seeds, layers, hidden_size)


def ablate(
    recipe: o.RecipeFile,
    overrides: o.Overrides = None,
    axis: Annotated[
        list[str] | None,
        typer.Option(help="key=v1,v2: TOML values or words, with a name as name:value. The first is the reference."),
    ] = None,
    tune: Annotated[
        str | None, typer.Option(help="key=v1,v2: compare each variant at its own best number, such as optim.lr.")
    ] = None,
    match: Annotated[str, typer.Option(help="What is equal in all cells: params, flops or time.")] = "params",
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="Runs of each cell; all cells run once before any runs twice.")
    ] = 3,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, max=100_000, help="Training time of the recipe, instead of its budget.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Runs at the same time; they share the cores.")] = 1,
    cross: Annotated[bool, typer.Option(help="Run every combination of values, not one axis at a time.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder [runs/ablate-RECIPE].")] = None,
) -> None:
    """Run a grid of variants with equal budgets and report which differences are more than chance."""
    from trivium.study.ablate import ablate as run
    from trivium.study.grid import read_axis
    from trivium.study.tune import read_sweep

    axes = [read_axis(text) for text in axis or []]
    folder = out or Path("runs") / f"ablate-{recipe.stem}"
    sweep = read_sweep(tune) if tune else None
    run(recipe, overrides or [], axes, folder, match, seeds, minutes, workers, cross, sweep)  # type: ignore[arg-type]
