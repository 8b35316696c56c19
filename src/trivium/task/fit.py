"""The micro-batch that fits: how many rows this machine can train on at a time, for `micro_rows = "auto"`.

On a CPU it is an estimate against the memory that is free; on CUDA it is tried.
"""

import os
from collections.abc import Callable
from pathlib import Path

import torch

from trivium.base.batch import collate
from trivium.base.errors import ConfigError
from trivium.base.files import read_json
from trivium.base.log import say
from trivium.data.rows import Rows
from trivium.model.config import ModelConfig
from trivium.model.device import free_bytes, place
from trivium.model.size import training_bytes
from trivium.model.transformer import Transformer
from trivium.train.exact.grain import grain_rows
from trivium.train.loop import autocast_dtype
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe

SHARE = 0.7
"""The share of the free memory that a micro-batch may need, because the estimate is rough and others use it too."""
MOMENTS, BUCKETS = 8, 4
"""Bytes a trained parameter that come after the first pass: of AdamW, and of the average over processes."""


def micro_rows(
    recipe: Recipe,
    transformer: Transformer,
    rows: Rows,
    length: int,
    pad: int,
    ranks: World = World(),
    kept: Path | None = None,
) -> int:
    """Return the rows of a micro-batch: those of the recipe, or for `auto` those that a run has `kept`, or that fit.

    A deterministic run takes one grain at a time. `length` is the most tokens of a row. Say what `auto` took.
    ConfigError where not even one row fits, and where the grains do not.
    """
    if recipe.deterministic:
        return grain_rows(recipe, recipe.step_rows(length), ranks)
    if recipe.micro_rows is not None:
        return recipe.micro_rows
    if kept is not None and kept.is_file() and (known := read_json(kept).get("micro_rows")):
        return int(known)
    most, config = -(-recipe.step_rows(length) // ranks.size), transformer.config
    if ranks.device.type == "cuda":
        found, why = largest(most, lambda count: tried(recipe, transformer, rows, length, pad, ranks, count)), "tried"
    else:
        found, why = estimated(recipe, config, length, most)
    found = int(ranks.sum(float(found) if ranks.first else 0.0)[0])
    if not found:
        raise ConfigError("micro_rows: not even one row fits into memory; make the model or data.length smaller")
    say(f"micro_rows: {found} of {most} rows of a step at a time, chosen by auto: {why}")
    return found


def largest(most: int, fits: Callable[[int], bool]) -> int:
    """Return the largest of equal parts of `most` rows that fits, 0 if not even one row does."""
    parts = 1
    while not fits(count := -(-most // parts)):
        if count == 1:
            return 0
        parts *= 2
    return count


def estimated(recipe: Recipe, config: ModelConfig, length: int, most: int) -> tuple[int, str]:
    """Return the rows of `length` tokens that fit into the free memory of the CPU by estimate, 1 or more, and why."""
    have = free_bytes(torch.device("cpu"))
    if have is None:
        return most, "nothing tells the free memory"
    room = SHARE * have / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))

    def need(count: int) -> float:
        return training_bytes(config, length, count, getattr(recipe.loss, "chunk_rows", 0), recipe.recompute)

    found = largest(most, lambda count: need(count) <= room) or 1
    return found, f"about {need(found) / 2**30:.1f} GiB of {have / 2**30:.1f} GiB that are free"


def tried(
    recipe: Recipe, transformer: Transformer, rows: Rows, length: int, pad: int, ranks: World, count: int
) -> bool:
    """Return whether a pass forward and backward over `count` rows, as long as rows can be, fits into the memory."""
    chosen = [rows.row(0, at % rows.size(0)) for at in range(count)]
    batch = collate(chosen, pad, length, multiple=length)
    trained = [p for p in transformer.parameters() if p.requires_grad]
    later = sum(p.numel() for p in trained) * (MOMENTS + BUCKETS * (ranks.size > 1))
    try:
        spare = torch.empty(later, dtype=torch.uint8, device=ranks.device)
        placed = place(batch, ranks.device)
        with ranks.autocast(autocast_dtype(recipe, ranks.device)):
            loss = recipe.loss(transformer.head, transformer(placed), placed).total
        loss.backward()
        return len(spare) == later
    except torch.OutOfMemoryError:
        return False
    finally:
        transformer.zero_grad(set_to_none=True)
        spare = placed = loss = None  # type: ignore[assignment]
        if ranks.device.type == "cuda":
            torch.cuda.empty_cache()
