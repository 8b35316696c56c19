"""Short trainings for lessons: a small text that every Python has, and small models that learn it in seconds.

The text is that of the embedded corpus which needs no parsing: the language topics and the modules in C, 0.9 MB.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trivium.base.batch import Batch, collate
from trivium.base.config import merge, parse
from trivium.base.files import write_text
from trivium.base.log import speaking
from trivium.base.types import Example
from trivium.corpus.prepare import Preparation, prepare
from trivium.corpus.read import embedded
from trivium.model.device import place
from trivium.task.run import run
from trivium.train.recipe import Recipe

VOCAB_SIZE = 512
RECIPE: dict[str, Any] = {
    "data": {"length": 128},
    "model": {"preset": "llama", "depth": 2, "vocab_size": VOCAB_SIZE, "context": 128, "tie": True, "init": "scaled"},
    "optim": {"lr": 4e-3},
    "schedule": {"kind": "wsd", "warmup_steps": 20},
    "precision": "fp32",
    "batch_tokens": 1024,
    "budget_steps": 200,
    "log_every_steps": 5,
}
"""The recipe that lessons change: LLaMA of 2 x 128, and 0.2 million tokens."""


def text(scratch: Path) -> Path:
    """Return a file of rows with the text."""
    path = scratch / "text.jsonl"
    if not path.is_file():
        rows = [json.dumps({"text": document.text, "name": document.id}) for document in embedded.direct()]
        write_text(path, "".join(f"{row}\n" for row in rows))
    return path


def data(scratch: Path) -> Path:
    """Return a data folder of the text, with a tokenizer of `VOCAB_SIZE` tokens; made once for all lessons."""
    folder = scratch / "data"
    if not folder.is_dir():
        options = Preparation(vocab_size=VOCAB_SIZE, near=None, shards=1)
        with speaking(quiet=True):
            prepare([text(scratch)], folder, options, keep_work=False)
    return folder


def train(scratch: Path, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Train the recipe with changes in the folder `name` of the scratch; return what `outcome` reads there."""
    folder = scratch / name
    tree = merge(merge(RECIPE, {"data": {"path": str(data(scratch))}}), dict(changes))
    with speaking(quiet=True):
        run(parse(Recipe, tree, name), folder)
    return outcome(folder)


def outcome(folder: Path) -> dict[str, Any]:
    """Return the last held-out `loss` of a run, its `steps` and training `losses` as logged, and its `model` folder."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    logged = [line for line in lines if "loss" in line]
    return {
        "loss": [line["valid_loss"] for line in lines if "valid_loss" in line][-1],
        "steps": [line["step"] for line in logged],
        "losses": [line["loss"] for line in logged],
        "model": folder / "model",
    }


def random_batch(vocab_size: int, rows: int, length: int) -> Batch:
    """Return rows of random ids, one document a row, with the next ids as targets; always the same, on the CPU."""
    ids = np.random.default_rng(0).integers(0, vocab_size, (rows, length + 1))
    every = [[Example(dec=row[:-1], targets={"token": row[1:]})] for row in ids]
    return place(collate(every, pad=0), torch.device("cpu"))
