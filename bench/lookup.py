"""What guesses from the prompt are worth: tokens/s with prompt lookup and without, of texts that copy and that do not.

    OMP_NUM_THREADS=1 python bench/lookup.py [--rounds 3] [--weights fp32,bf16,int8]

The model of bench/infer.py (91M parameters, random weights, one thread). What it writes is given: each step computes
all scores, and then the next id of the text gets all of them. So a guess is right as often as it is for a model that
writes this text. `edit` writes a page of the documentation again with every twentieth word replaced, `summary` every
third line of it, `other` another page. Seconds are processor time, sides take turns, the best of the rounds counts.
The script prints its results and writes bench/results/lookup.json.
"""

import argparse
import json
import os
import time
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch
from torch import Tensor

import trivium
from trivium.infer.engine import InferenceEngine
from trivium.infer.row import Row
from trivium.infer.sampling import Sampling
from trivium.infer.weights import keep
from trivium.model.transformer import Transformer
from trivium.token.tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
READ, WRITTEN = 300, 100
"""Ids of the prompt and of the text."""


class Script:
    """A text that is the only one which can be written; in place of a grammar."""

    done = False

    def __init__(self, ids: list[int]) -> None:
        self.ids = list(ids)

    def mask(self, scores: Tensor) -> None:
        """Leave only the next id of the text."""
        scores.fill_(-torch.inf)[self.ids[0]] = 0.0

    def take(self, index: int) -> None:
        """Go on behind an id of the text."""
        assert self.ids.pop(0) == index


def texts(task: str, page: str, other: str) -> str:
    """Return what a task writes after a page."""
    match task:
        case "edit":
            return " ".join("changed" if at % 20 == 10 else word for at, word in enumerate(page.split(" ")))
        case "summary":
            return "\n".join(page.split("\n")[::3])
        case _:
            return other


def run(
    transformer: Transformer, prompts: list[list[int]], scripts: list[list[int]], lookup: bool
) -> tuple[float, int]:
    """Write the scripts after their prompts; return the seconds of the writing, and how many guesses were right."""
    engine = InferenceEngine(transformer, lookup=lookup)
    rows = []
    for prompt, text in zip(prompts, scripts, strict=True):
        rows.append(Row(prompt, None, Sampling(), torch.Generator(), len(text)))
        rows[-1].grammar = Script(text)  # type: ignore[assignment]
        engine.submit(rows[-1])
    while not all(row.ids for row in rows):
        engine.step()
    start = time.process_time()
    while engine.busy:
        engine.step()
    return time.process_time() - start, sum(row.lookup.accepted for row in rows if row.lookup is not None)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", default="fp32,bf16,int8")
    parser.add_argument("--rows", default="1,8")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "lookup.json")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    pages = [page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))]
    tokenizer = Tokenizer.train((code.read_text(encoding="utf-8") for code in sorted(ROOT.glob("src/**/*.py"))), 4096)
    found: dict[str, dict[str, float]] = {}
    for weights in chosen.weights.split(","):
        torch.manual_seed(0)
        size = {"layers": 12, "hidden_size": 768, "heads": 12, "context": 2048, "vocab_size": tokenizer.size}
        transformer = keep(trivium.build("llama", **size).transformer, weights)
        for count in map(int, chosen.rows.split(",")):
            for task in ("edit", "summary", "other"):
                prompts, scripts = [], []
                for at in range(count):
                    page, other = pages[at % len(pages)], pages[(at + 1) % len(pages)]
                    prompts.append(tokenizer.encode(page)[:READ])
                    text = texts(task, tokenizer.decode(prompts[-1]), other)
                    scripts.append(tokenizer.encode(text)[:WRITTEN])
                best = {False: 1e9, True: 1e9}
                right = 0
                for _ in range(chosen.rounds):
                    for lookup in best:
                        seconds, right = run(transformer, prompts, scripts, lookup)
                        best[lookup] = min(best[lookup], seconds)
                ids = sum(map(len, scripts)) - count
                name = f"{weights}, {count} rows, {task}"
                rates = {"without": ids / best[False], "with": ids / best[True], "ratio": best[False] / best[True]}
                found[name] = {**rates, "right": right / ids}
                print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in found[name].items()), flush=True)
    chosen.out.write_text(
        json.dumps({"date": date.today().isoformat(), "torch": torch.__version__, "sides": found}, indent=2)
    )


if __name__ == "__main__":
    main()
