"""Small models of the three families, rows of very different numbers of targets, and runs of them on any layout."""

import json

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint.hf_storage
import torch.distributed.fsdp  # here once, and not in each forked process

import tiny
from ranks import together
from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Example
from trivium.train.loop import train
from trivium.train.parallel.layout import Parallelism
from trivium.train.parallel.shard import gather, spread
from trivium.train.parallel.world import World

PRESETS = {"decoder": "llama", "encoder": "bert", "encoder_decoder": "t5"}
LABELS = [1, 15, 3, 12, 2, 9, 0, 14, 5, 1, 13]
"""The targets of each row of 16 tokens."""
LAYOUTS = {
    "fsdp": (2, Parallelism(shard=0)),
    "fsdp of 4": (4, Parallelism(shard=4)),
    "hsdp": (4, Parallelism(shard=2)),
    "tensor": (2, Parallelism(tensor=2)),
    "fsdp and tensor": (4, Parallelism(shard=2, tensor=2)),
    "copies and tensor": (4, Parallelism(tensor=2)),
}


def example(family, labels, seed):
    """A row of one family with so many targets."""
    ids = generator(seed, 16).integers(3, 64, size=17)
    if family == "decoder":
        targets = np.where(np.arange(16) < labels, ids[1:], IGNORE)
        return Example(dec=ids[:-1], targets={"token": targets})
    if family == "encoder":
        hidden = np.arange(16) < labels
        return Example(enc=np.where(hidden, 3, ids[:-1]), targets={"token": np.where(hidden, ids[:-1], IGNORE)})
    targets = np.where(np.arange(16) < labels, ids[1:], IGNORE)
    return Example(enc=ids[1:].copy(), dec=ids[:-1], targets={"token": targets})


def rows(family):
    return tiny.example_rows([example(family, labels, seed) for seed, labels in enumerate(LABELS)])


def model(family, **tree):
    small = {"head": {"kind": "mlm"}} if family == "encoder" else {}
    return tiny.model(PRESETS[family], tree={**small, **tree})


def fit(ranks, family, folder, steps, tree=None, **changes):
    """Train up to a step; give the losses of all steps so far, and the weights as one vector on the first rank."""
    folder.mkdir(exist_ok=True)
    one = model(family, **(tree or {}))
    recipe = tiny.recipe(
        **{"schedule": "constant", "optim": {"lr": 3e-3}, "batch_tokens": 80, "micro_rows": 1, **changes}
    )
    loader = tiny.loader(rows(family), 5, 1, rank=ranks.reader, world=ranks.readers)
    skeleton = spread(one, ranks, torch.bfloat16 if recipe.precision == "bf16" else torch.float32)
    train(one, loader, recipe, steps, folder, ranks)
    found = gather(one, skeleton, ranks)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    weights = torch.cat([one.detach().flatten() for one in found.parameters()]).tolist() if ranks.first else []
    return [[line["loss"] for line in lines], [line["norm"] for line in lines], weights]


def compared(folder, family, layout, steps=20, alone=True, **changes):
    """Train a family alone and on a layout: losses, norms and weights are the same; give what the layout gave."""
    size, given = LAYOUTS[layout]
    run = lambda ranks: fit(ranks, family, folder / "run", steps, **changes)
    found = together(size, run, folder / "ranks", 300.0, layout=given)[0]
    if alone:
        wanted = fit(World(), family, folder / "alone", steps, **changes)
        print(family, layout, "losses within", max(abs(a / b - 1) for a, b in zip(found[0], wanted[0], strict=True)))
        assert found[0] == pytest.approx(wanted[0], rel=1e-5)
        assert found[1] == pytest.approx(wanted[1], rel=1e-4), "norms before clipping"
        assert found[2] == pytest.approx(wanted[2], abs=1e-4)
    return found


def alone(family, folder, steps, **changes):
    return fit(World(), family, folder, steps, **changes)
