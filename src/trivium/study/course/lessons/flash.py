"""FlashAttention: a row of attention in three passes and in one, tile by tile, and what each way holds in memory."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from trivium.lab.plan.live import Live
from trivium.model.attention.kernel import SDPA, Eager, Kernel
from trivium.model.attention.tiled import Tiled
from trivium.study.course.lesson import Lesson, Numbers
from trivium.study.course.lessons.attention import causal

KEYS, WIDTH, TILE = 12, 4, 3
"""The row that is drawn: its keys, the width of a head, and the keys of a tile."""
HEADS, HEAD, LENGTHS, TIMED, ROUNDS = 4, 64, (512, 1024, 2048), 1024, 3
KERNELS: dict[str, Kernel] = {"eager": Eager(), "tiled": Tiled(), "sdpa": SDPA()}


def row() -> tuple[Tensor, Tensor]:
    """Return the scores [S] of one query, and the values [S, E]."""
    draw = torch.Generator().manual_seed(14)
    q, k, v = (torch.randn(count, WIDTH, dtype=torch.float64, generator=draw) for count in (1, KEYS, KEYS))
    return 2 * (q @ k.T)[0] / WIDTH**0.5, v


def three_passes(scores: Tensor, values: Tensor) -> Tensor:
    """Return the output [E] in three passes over the keys: the largest score, the sum, the weighted values."""
    largest = scores[0]
    for score in scores:
        largest = torch.maximum(largest, score)
    total = torch.zeros_like(largest)
    for score in scores:
        total = total + (score - largest).exp()
    mix = torch.zeros_like(values[0])
    for score, value in zip(scores, values, strict=True):
        mix = mix + (score - largest).exp() / total * value
    return mix


def one_pass(scores: Tensor, values: Tensor, tile: int = TILE) -> list[dict[str, Any]]:
    """Return what is held after each tile of one pass: largest score, fade, sum, and the output so far [E]."""
    largest, total, mix = scores.new_tensor(-torch.inf), scores.new_zeros(()), torch.zeros_like(values[0])
    steps = []
    for some, held in zip(scores.split(tile), values.split(tile), strict=True):
        new = torch.maximum(largest, some.max())
        fade, weights = (largest - new).exp(), (some - new).exp()
        total, mix, largest = total * fade + weights.sum(), mix * fade + weights @ held, new
        steps.append(
            {"largest": float(new), "fade": float(fade), "sum": float(total), "output": (mix / total).tolist()}
        )
    return steps


def peak(kernel: Kernel, length: int) -> int:
    """Return the bytes that one forward pass of attention adds at its peak, counted on tensors without memory."""
    view = causal(length)
    with torch.no_grad(), Live() as live:
        q, k, v = (torch.randn(1, HEADS, length, HEAD) for _ in range(3))
        before = live.now
        live.begin()
        kernel.attend(q, k, v, view, HEAD**-0.5)
    return live.peak - before


def exact() -> Numbers:
    """Return the keys, tiles and corrections of the row, and the scores of a long row of a large model in 16 bits."""
    steps = one_pass(*row())
    rescaled = sum(step["fade"] < 1 for step in steps[1:])
    return {"keys": KEYS, "tiles": len(steps), "rescaled": rescaled, "scores_gb": 32 * 8192**2 * 2 / 2**30}


def measured(scratch: Path) -> Numbers:
    """Compare the ways in one row and the kernels; look at their memory by length, and time them by turns."""
    scores, values = row()
    apart = float(
        (three_passes(scores, values) - scores.new_tensor(one_pass(scores, values)[-1]["output"])).abs().max()
    )
    draw, view = torch.Generator().manual_seed(0), causal(TIMED)
    q, k, v = (torch.randn(1, HEADS, TIMED, HEAD, generator=draw).requires_grad_() for _ in range(3))
    outputs = {name: kernel.attend(q, k, v, view, HEAD**-0.5).detach() for name, kernel in KERNELS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in KERNELS}
    for _ in range(ROUNDS):
        for name, kernel in KERNELS.items():
            since = time.process_time()
            kernel.attend(q, k, v, view, HEAD**-0.5).sum().backward()
            seconds[name].append(time.process_time() - since)
    times = {f"{name}_ms": 1e3 * median(found) for name, found in seconds.items()}
    memory = {
        f"{name}_mb_{length}": peak(KERNELS[name], length) / 2**20 for name in ("eager", "tiled") for length in LENGTHS
    }
    return {
        "apart": apart,
        "kernels_apart": float((outputs["eager"] - outputs["tiled"]).abs().max()),
        **memory,
        **times,
    }


def drawing(numbers: Numbers) -> Any:
    """Return the scores of a row, the largest, sum and weights of three passes, and the steps of one pass."""
    scores, values = row()
    exp = (scores - scores.max()).exp()
    passes = {"largest": scores.cummax(0).values, "sum": exp.cumsum(0), "weights": exp / exp.sum()}
    output = three_passes(scores, values).tolist()
    told = {name: [round(one, 4) for one in found.tolist()] for name, found in passes.items()}
    steps = [{key: [round(x, 4) for x in one] if key == "output" else round(one, 4) for key, one in step.items()}
             for step in one_pass(scores, values)]  # fmt: skip
    return {
        "scores": [round(one, 4) for one in scores.tolist()],
        "tile": TILE,
        **told,
        "output": output,
        "steps": steps,
    }


LESSON = Lesson("flash", exact, drawing, measured)
