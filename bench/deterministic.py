"""What `deterministic = true` costs: a step in grains beside the same step in micro-batches, in processor time.

    python bench/deterministic.py [--turns 5] [--layers 6] [--hidden 384] [--rows 64] [--length 256] [--micro 16]
    python bench/deterministic.py --only decoder bf16

One thread, one process, sides in turns: A B A B, after one step of each that does not count. Both do the same: a step
forward and backward with dropout, gradients clipped, AdamW; the side in grains also hashes its data and its line of the
certificate. A figure is the median of the turns, a ratio the median of the ratios of neighbours. The table is
bench/results/deterministic.json.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from trivium.base.config import parse
from trivium.base.types import IGNORE, Example
from trivium.data.loader import Loader
from trivium.data.rows import ExampleRows
from trivium.model.config import configure
from trivium.model.device import reuse_memory
from trivium.model.transformer import Transformer
from trivium.train.exact.certificate import entry, link
from trivium.train.exact.grain import GRAINS, Grains
from trivium.train.half import half_weights
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe
from trivium.train.step import train_step

RESULTS = Path(__file__).parent / "results" / "deterministic.json"
VOCABULARY = 8192
DROPOUT = {"dropout": 0.1}
FAMILIES = {
    "decoder": {"preset": "gpt2", "decoder": DROPOUT},
    "encoder": {"preset": "bert", "encoder": DROPOUT},
    "encoder-decoder": {"preset": "t5", "encoder": DROPOUT, "decoder": DROPOUT},
}
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def examples(family: str, rows: int, length: int) -> list[Example]:
    """Return random rows: next tokens, 15 % masked tokens, or a quarter of the length to write."""
    rng, found = np.random.default_rng(0), []
    for _ in range(rows):
        ids = rng.integers(5, VOCABULARY, length + 1)
        if family == "decoder":
            found.append(Example(dec=ids[:-1], targets={"token": ids[1:]}))
        elif family == "encoder":
            found.append(Example(enc=ids[:-1], targets={"token": np.where(rng.random(length) < 0.15, ids[1:], IGNORE)}))
        else:
            found.append(Example(enc=ids[:-1], dec=ids[: length // 4], targets={"token": ids[1 : length // 4 + 1]}))
    return found


def side(family: str, precision: str, given: argparse.Namespace, exact: bool) -> Callable[[int], None]:
    """Return a step of one side."""
    torch.manual_seed(0)
    sizes = {"vocab_size": VOCABULARY, "layers": given.layers, "hidden_size": given.hidden, "heads": given.hidden // 64}
    model = Transformer(configure(**FAMILIES[family], **sizes)).train()
    tree = {"data": {"path": "none"}, "model": {"preset": "gpt2", "vocab_size": 64}, "budget_steps": 1}
    recipe = parse(Recipe, tree, "bench")
    optimizer, world = recipe.optim.build(model), World()
    grain = -(-given.rows // GRAINS)
    grains = Grains(grain, -(-given.rows // grain), world) if exact else None
    rows = ExampleRows([[one] for one in examples(family, given.rows, given.length)], given.length, packing="pad")
    loader = Loader(rows, given.rows, grain if exact else given.micro, 0)
    halves = half_weights(model, optimizer, TYPES[precision])

    def step(done: int) -> None:
        options = (3e-4, recipe, done, TYPES[precision], world, halves, grains)
        found = train_step(model, model, optimizer, loader.step(done), *options)
        if grains is not None:
            link("", entry(found, grains, None))

    return step


def measured(family: str, precision: str, given: argparse.Namespace) -> dict[str, float]:
    """Return the seconds of a step of both sides, and their ratio."""
    sides, seconds = [side(family, precision, given, exact) for exact in (False, True)], ([], [])
    for turn in range(given.turns + 1):
        for act, taken in zip(sides, seconds, strict=True):
            began = time.process_time()
            act(turn)
            taken.append(time.process_time() - began)
    plain, exact = (taken[1:] for taken in seconds)
    ratio = statistics.median(b / a for a, b in zip(plain, exact, strict=True))
    return {
        "plain_seconds": round(statistics.median(plain), 4),
        "deterministic_seconds": round(statistics.median(exact), 4),
        "ratio": round(ratio, 3),
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("turns", 5), ("layers", 6), ("hidden", 384), ("rows", 64), ("length", 256), ("micro", 16)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--only", nargs="*", default=[], help="families and types")
    given = parser.parse_args()
    torch.set_num_threads(1)
    reuse_memory()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for family in FAMILIES:
        for precision in TYPES:
            if not {*given.only} - {family, precision} or not given.only:
                line = measured(family, precision, given)
                size = f"{given.layers} x {given.hidden}, {given.rows} x {given.length}, {given.micro} at a time"
                found[f"{family} {precision}, {size}"] = {**line, "date": str(date.today()), "torch": torch.__version__}
                print(f"{family:<16} {precision}  {size}: {line}", flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
