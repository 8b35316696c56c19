"""Seconds to a held-out loss of 1.88 on Tiny Shakespeare: nanoGPT's CPU recipe beside recipes/shakespeare-fast.toml.

    trivium prepare tinyshakespeare.txt -o data/shakespeare --tokenizer bytes --valid-share 0.1 --filter none
    python bench/char.py data/shakespeare --nanogpt FOLDER [--threads 2] [--pairs 3] [--find 1800 2000 2200]

Each run is a process of its own, and they take turns: A B A B, each pair with a seed of its own. nanoGPT is a checkout
(https://github.com/karpathy/nanoGPT), by option or the variable NANOGPT: its model, its optimizer, and the numbers of
its README for a CPU (12 random windows of 64, AdamW 1e-3, cosine to a tenth, float32, not compiled).

A run counts when it is finished: its learning rate has come to the end of its schedule, and only then it is scored,
once. nanoGPT has the fewest steps of those tried with which the mean of the seeds is at most 1.88 (`--find` tries
others); with those of ours every seed is. All are scored in float32 on the same rows of 64 characters, the whole
held-out text. The clock runs from the first step to the last; start-up is told beside it, and scoring is left out.
With one thread the ratio is of processor time, for a busy machine; with more of wall time. Both are kept, in
bench/results/char.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from sides import nano, theirs

from train import CASES, instructions

GOAL = 1.88
"""Nats a character: what the README of nanoGPT says that its 2,000 steps give."""
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "char.json"
RECIPE = ROOT / "recipes" / "shakespeare-fast.toml"
ROTARY = ["model.decoder.position=rope", "model.decoder.ffn.activation=relu2", "model.decoder.ffn.size=520"]
OURS = {"trivium": [], "trivium rotary": [*ROTARY, "optim.lr=1.4e-2", "budget_steps=235"]}
"""Our sides, each with what it lays over the recipe. With RoPE there is no table of positions: wider feed-forwards make
up for it, to the same number of parameters."""
ITERATIONS = 2200
"""The steps of nanoGPT: seed 0 ends at 1.904 after 2,000."""
CASE = CASES["char"]
LENGTH = CASE.length


def text(data: str, split: str) -> Any:
    """Return the ids of the one document of a split."""
    from trivium.data.shards import Corpus

    return Corpus(data, split).read(0)


def held_out(data: str) -> tuple[Any, Any]:
    """Return the rows that all are scored on, and their targets [N, 64]; the rest of the last row is left out."""
    ids = text(data, "valid")
    size = (len(ids) - 1) // LENGTH * LENGTH
    return ids[:size].reshape(-1, LENGTH), ids[1 : size + 1].reshape(-1, LENGTH)


def clocked(steps: Iterator[float]) -> dict[str, float]:
    """Do all steps of a run; return its seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in steps:
        pass
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def ours(data: str, seed: int, overrides: list[str]) -> tuple[Any, Iterator[float], Any]:
    """Return a model of ours, the steps of its run, and what scores it."""
    import numpy as np

    from trivium.base.batch import Batch, Stream
    from trivium.data.loader import Loader
    from trivium.model.device import reuse_memory
    from trivium.task.feed import open_rows
    from trivium.task.start import start_model
    from trivium.train.evaluate import evaluate
    from trivium.train.half import half_weights
    from trivium.train.loop import autocast_dtype
    from trivium.train.parallel.world import World
    from trivium.train.recipe import read_recipe
    from trivium.train.step import train_step

    reuse_memory()
    recipe = read_recipe(RECIPE, [f"data.path={data}", f"seed={seed}", *overrides])
    started = start_model(recipe)
    rows, _ = open_rows(recipe, started, recipe.data.length or LENGTH)
    model, world, steps = started.transformer.train(), World(), recipe.budget_steps or 0
    optimizer = recipe.optim.chosen(model, recipe.batch_tokens).build(model)
    precision = autocast_dtype(recipe, world.device)
    halves = half_weights(model, optimizer, precision)
    each = recipe.step_rows(rows.length or LENGTH)
    loader = Loader(rows, each, min(each, recipe.micro_rows or each), started.vocabulary.pad, recipe.seed)

    def run() -> Iterator[float]:
        for step, batches in enumerate(loader.stream(0, steps)):
            lr = recipe.optim.lr * recipe.schedule.factor(step, steps)
            yield train_step(model, model, optimizer, batches, lr, recipe, step, precision, world, halves).loss

    def score() -> float:
        read, wanted = held_out(data)
        parts = [(read[at : at + 64], wanted[at : at + 64]) for at in range(0, len(read), 64)]
        streams = [Stream(x, np.indices(x.shape)[1], np.ones_like(x), plain=True) for x, _ in parts]
        batches = [Batch(None, each, {"token": y}) for each, (_, y) in zip(streams, parts, strict=True)]
        return evaluate(model, batches).loss

    return model, run(), score


def nanogpt(data: str, seed: int, steps: int) -> tuple[Any, Iterator[float], Any]:
    """Return nanoGPT's model, the steps of its run on random windows, and what scores it."""
    import numpy as np
    import torch
    from torch.nn import functional as F

    from trivium.train.schedule import Cosine

    model, optimizer = nano(CASE, 1e-3, 0.99, seed, bias=False)
    known = np.unique(text(data, "train"))  # its vocabulary has the characters alone
    letters = np.zeros(known[-1] + 1, np.int64)
    letters[known] = np.arange(len(known))
    ids = torch.from_numpy(letters[text(data, "train")])
    schedule, batch = Cosine(warmup_steps=100, floor=0.1), dict[str, Any]()
    step = theirs([], model, optimizer, lambda called: called(batch["x"], batch["y"])[1])

    def run() -> Iterator[float]:
        for number in range(steps):
            at = torch.randint(len(ids) - LENGTH, (CASE.rows,))
            batch["x"] = torch.stack([ids[i : i + LENGTH] for i in at])
            batch["y"] = torch.stack([ids[i + 1 : i + 1 + LENGTH] for i in at])
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * schedule.factor(number, steps)
            yield step()

    def score() -> float:
        read, wanted = (torch.from_numpy(letters[part]) for part in held_out(data))
        model.eval()
        with torch.no_grad():
            parts = [(model(x, y)[0], y) for x, y in zip(read.split(64), wanted.split(64), strict=True)]
        total = sum(float(F.cross_entropy(scores.flatten(0, 1), y.flatten(), reduction="sum")) for scores, y in parts)
        return total / wanted.numel()

    return model, run(), score


def work(given: argparse.Namespace) -> None:
    """Be one run: train to the end, score once, and answer in JSON."""
    import torch

    torch.set_num_threads(given.threads)
    if given.side == "nanogpt":
        model, steps, score = nanogpt(given.data, given.seed, given.iterations)
    else:
        model, steps, score = ours(given.data, given.seed, OURS[given.side])
    start = time.time() - given.began
    found = {"side": given.side, "seed": given.seed, **clocked(steps), "loss": score(), "start": start}
    found |= {"parameters": used(model, given.data)}
    print(json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}))


def used(model: Any, data: str) -> int:
    """Return the parameters of a model without the rows of its table for bytes that the text does not have."""
    import numpy as np

    table = next(one for one in model.parameters() if one.ndim == 2)
    return sum(one.numel() for one in model.parameters()) - table[len(np.unique(text(data, "train"))) :].numel()


def turn(given: argparse.Namespace, side: str, seed: int, iterations: int) -> dict[str, Any]:
    """Return what a run of one side found, in a process of its own."""
    options = {"side": side, "seed": seed, "iterations": iterations, "threads": given.threads}
    words = [f"--{name}={value}" for name, value in {**options, "began": time.time()}.items()]
    command = [sys.executable, __file__, given.data, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("{"))
    print(f"  {line}", flush=True)
    return json.loads(line)  # type: ignore[no-any-return]


def find(given: argparse.Namespace) -> dict[str, list[float]]:
    """Return the losses of nanoGPT by its steps, up to the first whose mean is at most the goal."""
    found: dict[str, list[float]] = {}
    for iterations in given.find:
        losses = [turn(given, "nanogpt", seed, iterations)["loss"] for seed in range(given.pairs)]
        found[str(iterations)] = losses
        if statistics.mean(losses) <= GOAL:
            break
    return found


def summed(runs: list[dict[str, Any]], clock: str) -> dict[str, Any]:
    """Return the medians of each side, its losses, and how many times as fast it is as nanoGPT, pair by pair."""
    sides = {side: [run for run in runs if run["side"] == side] for side in ("nanogpt", *OURS)}
    found: dict[str, Any] = {}
    for side, own in sides.items():
        losses = [run["loss"] for run in own]
        found[side] = {name: statistics.median(run[name] for run in own) for name in ("wall", "cpu", "start")}
        found[side] |= {"parameters": own[0]["parameters"], "losses": losses, "mean_loss": statistics.mean(losses)}
        found[side]["reached"] = found[side]["mean_loss"] <= GOAL
        for name in ("wall", "cpu"):
            each = [b[name] / a[name] for a, b in zip(own, sides["nanogpt"], strict=True)]
            found[side][f"{name}_ratio"] = [round(f(each), 2) for f in (statistics.median, min, max)]
        print(f"  {side}: {found[side]}", flush=True)
    return {"ratio": {side: found[side][f"{clock}_ratio"] for side in OURS}, **found}


def main() -> None:
    """Let all sides take turns, print what they took, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the data folder")
    parser.add_argument("--nanogpt", default=os.environ.get("NANOGPT", ""))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--find", type=int, nargs="+", help="the steps of nanoGPT to try first; the first that suffice")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="steps of nanoGPT")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        return work(given)
    os.environ |= {"NANOGPT": given.nanogpt, "OMP_NUM_THREADS": str(given.threads)}
    from trivium.base.files import write_json

    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if given.find:
        kept["found"] = find(given)
        given.iterations = int([*kept["found"]][-1])
    order = [(side, seed) for seed in range(given.pairs) for side in ("nanogpt", *OURS)]
    runs = [turn(given, side, seed, given.iterations) for side, seed in order]
    about = {
        "date": str(date.today()),
        "threads": given.threads,
        "processor": platform.machine(),
        "load": os.getloadavg()[0],
    }
    about |= {"bf16": instructions(), "goal": GOAL, "iterations": given.iterations}
    write_json(RESULTS, {**kept, **about, **summed(runs, "cpu" if given.threads == 1 else "wall"), "runs": runs})


if __name__ == "__main__":
    main()
