"""Compare three families on one corpus: the same block, shards, tokenizer and compute, three topologies.

Each family has its own objective: a decoder predicts the next token, an encoder masked tokens, an encoder-decoder
removed spans. Their losses are means over different targets and cannot be compared. Parameters, FLOPs, tokens, speed
can, and the accuracy on the same blanks (`cloze`).
"""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium import api
from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError
from trivium.base.files import read_json, write_json
from trivium.base.log import columns, say
from trivium.data.shards import Corpus
from trivium.lab import page
from trivium.lab.picture import loss_panels
from trivium.model.config import ModelConfig
from trivium.model.presets import PRESETS
from trivium.model.size import row_flops
from trivium.objective.causal import CausalLM
from trivium.objective.denoise import SpanCorruption
from trivium.objective.masked import MaskedLM
from trivium.objective.objective import Objective
from trivium.study import cloze
from trivium.study.trial import measured
from trivium.study.verdict import spread
from trivium.train.recipe import Recipe

FAMILIES = ("decoder", "encoder", "encoder_decoder")
LENGTH = 256
STEP_TOKENS = 2048
"""Small steps: at a small budget, encoders and encoder-decoders need many steps."""
BLANKS = 500
MASKED, DENOISE = MaskedLM(rate=0.3), SpanCorruption()
"""Twice BERT's share is masked: at a small budget targets are scarce (Wettig et al. 2022, arXiv:2202.08005)."""
OBJECTIVES: dict[str, Objective] = {"decoder": CausalLM(), "encoder": MASKED, "encoder_decoder": DENOISE}


def compare(
    data: Path,
    folder: Path,
    families: Sequence[str] = FAMILIES,
    budget_flops: float = 5e12,
    seeds: int = 1,
    layers: int = 4,
    hidden_size: int = 256,
) -> list[dict[str, Any]]:
    """Train each family with `budget_flops`, `seeds` times; write a table and a page. Finished runs are kept.

    Returns one result for each run. Raises ConfigError for an unknown family.
    """
    if unknown := [name for name in families if name not in FAMILIES]:
        raise ConfigError(f"--families: unknown family {unknown[0]!r}; known: {', '.join(FAMILIES)}")
    if hidden_size % 64:
        near = 64 * max(1, round(hidden_size / 64))
        raise ConfigError(f"--hidden-size: expected a multiple of 64, found {hidden_size}; try {near}")
    train, valid = Corpus(data, "train"), Corpus(data, "valid")
    asked = cloze.blanks(valid.documents(), BLANKS, seed=0)
    frequent = cloze.frequency_accuracy(train.documents(), asked, train.manifest["vocab_size"])
    results = []
    for family in families:
        for seed in range(seeds):
            recipe, flops = plan(family, data, train.manifest["vocab_size"], budget_flops, seed, layers, hidden_size)
            where = folder / f"{family}-{seed}"
            say(f"{family}, seed {seed}: {recipe.budget_steps} steps of {flops / 1e9:.1f} GFLOP")
            result = where / "result.json"
            if not result.is_file():
                found = {**measured(recipe, where), "flops": flops * (recipe.budget_steps or 0)}
                write_json(result, {**found, "cloze": cloze.accuracy(api.load(where / "model"), asked)})
            results.append({"family": family, "seed": seed, **read_json(result)})
    report(folder, results, frequent, budget_flops)
    return results


def tree(family: str, vocab_size: int, layers: int, hidden_size: int) -> dict[str, Any]:
    """Return the model of a family, from LLaMA's block; an encoder-decoder has half of the layers in each stack."""
    block = {**PRESETS["llama"]["decoder"], "heads": hidden_size // 64}
    depth = max(1, layers // 2) if family == "encoder_decoder" else layers
    patterns = {"encoder": ["full"], "decoder": ["causal"]}
    stacks = {name: {**block, "layers": depth, "pattern": patterns[name]} for name in family.split("_")}
    shared = {"vocab_size": vocab_size, "hidden_size": hidden_size, "context": 2 * LENGTH, "init": "scaled"}
    return {**shared, **stacks}


def plan(
    family: str, data: Path, vocab_size: int, budget_flops: float, seed: int, layers: int, hidden_size: int
) -> tuple[Recipe, float]:
    """Return the recipe of a family whose steps use up the budget, and the FLOPs of one step."""
    config = parse(ModelConfig, tree(family, vocab_size, layers, hidden_size), family)
    flops = STEP_TOKENS // LENGTH * row_flops(config, **sizes(family))
    steps = max(1, round(budget_flops / flops))
    recipe = {
        "seed": seed,
        "data": {"path": str(data), "length": LENGTH},
        "objective": dump(OBJECTIVES[family]),
        "model": tree(family, vocab_size, layers, hidden_size),
        "optim": {"lr": 3e-3},
        "schedule": {"kind": "wsd", "warmup_steps": min(20, steps // 4)},
        "batch_tokens": STEP_TOKENS,
        "budget_steps": steps,
        "eval_every_steps": max(1, steps // 5),
        "save_every_steps": max(1, steps // 2),
        "log_every_steps": 5,
    }
    return parse(Recipe, recipe, family), flops


def sizes(family: str) -> dict[str, int]:
    """Return the tokens that each stack reads of a full row, and how many are predicted."""
    read, written = DENOISE.sizes(DENOISE.room(LENGTH))
    return {
        "decoder": {"decoder": LENGTH, "targets": LENGTH},
        "encoder": {"encoder": LENGTH, "targets": round(MASKED.rate * LENGTH)},
        "encoder_decoder": {"encoder": read, "decoder": written, "targets": written},
    }[family]


def report(folder: Path, results: list[dict[str, Any]], frequent: float, budget_flops: float) -> None:
    """Print the table, and write it with the loss curves as a page."""
    header = ["family", "parameters", "steps", "tokens read", "targets", "tokens/s", "own loss", "cloze"]
    rows = []
    for family in dict.fromkeys(result["family"] for result in results):
        runs = [result for result in results if result["family"] == family]
        counts = [f"{runs[0][key]:,}" for key in ("parameters", "steps", "tokens", "targets")]
        speed = f"{statistics.median(run['tokens_per_second'] for run in runs):,.0f}"
        loss, right = spread([run["loss"] for run in runs], "{:.3f}"), spread([run["cloze"] for run in runs], "{:.1%}")
        rows.append([family, *counts, speed, loss, right])
    for line in columns([header, *rows]):
        say(line)
    error = math.sqrt(0.25 / BLANKS)
    notes = [
        f"Every family had {budget_flops:.3g} FLOPs on the same shards and tokenizer, with the same block; an "
        "encoder-decoder has half of the layers in each stack. Tokens per second were measured in runs one after the "
        "other, on a machine that may have had other work.",
        "Own loss is the mean over a family's own targets on held-out text: next tokens, masked tokens "
        f"({MASKED.rate:.0%} of all), or removed spans ({DENOISE.density:.0%}). "
        "These are different targets; the losses cannot be compared with each other.",
        f"Cloze is the same for all: {BLANKS} blanks in held-out text, ten candidates each. Chance is 10 %, the most "
        f"frequent candidate is right in {frequent:.1%}; the standard error is at most {error:.1%}.",
    ]
    for note in notes:
        say(note)
    write_json(folder / "compare.json", {"results": results, "frequent": frequent, "budget_flops": budget_flops})
    curves: dict[str, list[Path]] = {}
    for result in results:
        run = folder / f"{result['family']}-{result['seed']}"
        curves.setdefault(f"Own loss of the {result['family']}", []).append(run / "metrics.jsonl")
    loss_panels(curves, folder / "compare.png")
    parts = [page.table(header, rows), *map(page.paragraph, notes), page.picture(folder / "compare.png", "loss")]
    page.write(folder / "compare.html", "One corpus, three families", parts)
    say(f"the page is {folder}/compare.html")
