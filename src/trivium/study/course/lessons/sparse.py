"""Sparse patterns: how many pairs each allows, how many blocks a kernel must compute, and how far layers reach."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from trivium.model.attention.pattern import Causal, Full, Pattern, Where, Window
from trivium.model.attention.sparse import BlockSparse, Dilated, Fixed, Global, Random, Strided
from trivium.model.attention.tiled import BLOCK, Tiled
from trivium.model.attention.view import View
from trivium.model.size import attended
from trivium.study.course.lesson import Lesson, Numbers

LENGTH, HEADS, WIDTH, ROUNDS = 2048, 4, 64, 3
PATTERNS: dict[str, Pattern] = {
    "full": Full(),
    "causal": Causal(),
    "window": Window(size=256),
    "dilated": Dilated(size=64, step=4) & Causal(),
    "block": BlockSparse(size=256) & Causal(),
    "strided": Strided(stride=64),
    "fixed": Fixed(stride=64, summary=1),
    "longformer": (Window(size=256) | Global()) & Causal(),
    "bigbird": (Window(size=128) | Global() | Random(block=64, count=2)) & Causal(),
}
"""Patterns for 2,048 tokens; all but the first are for decoders."""
SMALL = 24
DRAWN: dict[str, Pattern] = {
    "full": Full(),
    "causal": Causal(),
    "window": Window(size=4),
    "dilated": Dilated(size=4, step=3),
    "block": BlockSparse(size=6) & Causal(),
    "strided": Strided(stride=5),
    "fixed": Fixed(stride=5, summary=1),
    "longformer": (Window(size=4) | Global()) & Causal(),
    "bigbird": (Window(size=3) | Global() | Random(block=2, count=1)) & Causal(),
}
"""The same patterns, small enough to be drawn."""


def seen(pattern: Pattern, length: int) -> Tensor:
    """Return the mask [T, T] of one document."""
    return torch.tensor([[mark == "#" for mark in line] for line in pattern.draw(length).splitlines()])


def view(pattern: Pattern, length: int) -> View:
    """Return the View of one whole row."""
    where = Where(torch.arange(length)[None], torch.ones(1, length, dtype=torch.long))
    return View(pattern, where, where, plain=True)


def layers(mask: Tensor) -> Tensor:
    """Return for each pair [T, T] how many layers of this pattern it takes until the query is reached; 0 is never."""
    step = mask | torch.eye(len(mask), dtype=torch.bool)
    reached, found = step, mask.int()
    for count in range(2, len(mask) + 1):
        further = (reached.float() @ step.float()) > 0
        found = torch.where(further & (found == 0) & ~torch.eye(len(mask), dtype=torch.bool), count, found)
        if bool((further == reached).all()):
            break
        reached = further
    return found


def exact() -> Numbers:
    """Return the pairs and blocks of each pattern as shares of all, and the layers from the first token to the last."""
    found: dict[str, Any] = {}
    for name, pattern in PATTERNS.items():
        found[f"{name}_pairs"] = attended(pattern, LENGTH) / LENGTH
        found[f"{name}_blocks"] = view(pattern, LENGTH).share(BLOCK)
    for name, pattern in DRAWN.items():
        found[f"{name}_layers"] = int(layers(seen(pattern, SMALL))[-1, 0])
    return found


def measured(scratch: Path) -> Numbers:
    """Time the tiled kernel forward under each pattern by turns, as a share of the time of the causal one."""
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, HEADS, LENGTH, WIDTH, generator=draw) for _ in range(3))
    views = {name: view(pattern, LENGTH) for name, pattern in PATTERNS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in PATTERNS}
    for _ in range(ROUNDS):
        for name, one in views.items():
            since = time.process_time()
            Tiled().attend(q, k, v, one, WIDTH**-0.5)
            seconds[name].append(time.process_time() - since)
    causal = median(seconds["causal"])
    return {"causal_seconds": causal} | {f"{name}_time": median(times) / causal for name, times in seconds.items()}


def drawing(numbers: Numbers) -> Any:
    """Return for each pattern the layers that each pair of a short row takes, and its shares in a long row."""
    maps = {name: layers(seen(pattern, SMALL)).tolist() for name, pattern in DRAWN.items()}
    shares = {name: {key: numbers[f"{name}_{key}"] for key in ("pairs", "blocks", "time")} for name in PATTERNS}
    return {"layers": maps, "shares": shares}


LESSON = Lesson("sparse", exact, drawing, measured)
