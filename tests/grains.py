"""Deterministic runs of tiny models of the three families, on any number of processes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import tiny
from trivium.data.loader import Loader, in_order
from trivium.data.rows import DocumentRows
from trivium.data.shards import Corpus
from trivium.model.transformer import Transformer
from trivium.objective.objective import Objective
from trivium.train.evaluate import evaluate
from trivium.train.exact.grain import grains_of
from trivium.train.loop import train
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe

DROPPED = {"dropout": 0.1, "attention_dropout": 0.1}
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "decoder": ("gpt2", "causal", {"decoder": DROPPED}),
    "encoder": ("bert", "masked", {"encoder": DROPPED}),
    "encoder-decoder": ("t5", "denoise", {"encoder": DROPPED, "decoder": DROPPED}),
}
"""A preset, its objective, and what differs from it."""
LENGTHS = [11, 30, 5, 17, 40, 8, 22, 13, 9, 26, 31, 6, 44, 12]
STEPS = 4


def corpus(folder: Path) -> Path:
    """About 20 rows of 16 tokens, and held-out ones."""
    return tiny.write_corpus(folder, tiny.documents(LENGTHS), tiny.documents(LENGTHS[:7], seed=9), vocab_size=96)


def recipe(**changes: Any) -> Recipe:
    """Eight rows a step, each a grain."""
    usual = {"deterministic": True, "batch_tokens": 128, "save_every_steps": 2, "schedule": "constant"}
    return tiny.recipe(**{**usual, **changes})


class GrainRun:
    """A run in a folder, as a process of a world sees it."""

    def __init__(self, data: Path, folder: Path, family: str = "decoder", **changes: Any) -> None:
        preset, objective, self.tree = FAMILIES[family]
        self.preset, self.folder, self.recipe = preset, folder, recipe(**changes)
        made = Objective.parse({"kind": objective})
        self.rows, self.valid = (
            DocumentRows(Corpus(data, split), made, tiny.MARKED, 16, seed=3) for split in ("train", "valid")
        )

    def model(self) -> Transformer:
        return tiny.model(self.preset, tree={"vocab_size": 96, **self.tree})

    def loader(
        self, ranks: World = World(), step_rows: int = 8, samples: int | None = None, micro_rows: int | None = None
    ) -> Loader:
        rows = micro_rows or self.recipe.grain_rows or -(-step_rows // 8)
        grains = grains_of(self.recipe, step_rows, rows, ranks)
        block = None if grains is None else grains.rows * grains.share
        return Loader(self.rows, step_rows, rows, 0, 0, ranks.rank, ranks.size, samples, block)

    def go(
        self, ranks: World = World(), steps: int = STEPS, score: bool = False, model: Any = None, **options: Any
    ) -> list[str]:
        """Train on; return the hash of all bytes of the last checkpoint, and the chain of the certificate."""
        self.folder.mkdir(parents=True, exist_ok=True)
        model = model or self.model()
        measure = lambda: evaluate(model, in_order(self.valid, 2, 0, ranks.rank, ranks.size), ranks)
        train(model, self.loader(ranks, **options), self.recipe, steps, self.folder, ranks, measure if score else None)
        ranks.wait()
        kept = self.folder / "checkpoints" / f"step-{steps:08d}"
        parts = [(kept / name).read_bytes() for name in ("model.safetensors", "optim.safetensors")]
        return [hashlib.sha256(b"".join(parts)).hexdigest(), self.lines()[-1].get("chain", "")]

    def lines(self, name: str = "certificate.jsonl") -> list[dict[str, Any]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else [{}]
