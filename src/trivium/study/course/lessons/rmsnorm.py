"""Norms: what a shift and a scale of a vector do to RMSNorm and LayerNorm, and what a norm costs of a training step."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from trivium import api
from trivium.model.config import configure
from trivium.model.layer.norm import LayerNorm, Norm, RMSNorm
from trivium.model.size import parameters
from trivium.study.course import ids
from trivium.study.course.lesson import Lesson, Numbers

VECTOR = (2.0, -1.0, 0.5, 3.0, -0.5, 1.0, 0.0, 1.5)
SHIFTS = (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
NORMS: dict[str, Norm] = {"rms": RMSNorm(), "layer": LayerNorm()}
WIDTH, LAYERS, ROWS, LENGTH, ROUNDS = 256, 4, 4, 256, 7
"""The model whose step is timed, its rows, and how often each side is timed."""


def normed(kind: str, x: Tensor) -> Tensor:
    """Return vectors [..., D] after a fresh norm of our own code."""
    return NORMS[kind].build(x.shape[-1])(x).detach()


def exact() -> Numbers:
    """Return what each norm does to a vector that moves and grows, and how far both are apart on random ones."""
    x, found = torch.tensor(VECTOR), {}
    for kind in NORMS:
        found[f"{kind}_shift"] = round(float((normed(kind, x + 3) - normed(kind, x)).abs().max()), 4)
        found[f"{kind}_scale"] = round(float((normed(kind, 8 * x) - normed(kind, x)).abs().max()), 4)
    random = torch.randn(4096, WIDTH, generator=torch.Generator().manual_seed(0))
    rms, layer = normed("rms", random), normed("layer", random)
    sizes = {kind: sum(parameters(configure("llama", hidden_size=4096, layers=32, heads=32, norm=kind)).values())
             for kind in NORMS}  # fmt: skip
    return {
        **found,
        "mean": float(x.mean()),
        "rms": float(x.square().mean().sqrt()),
        "deviation": float(x.std(correction=0)),
        "apart": float(((rms - layer).norm(dim=-1) / layer.norm(dim=-1)).mean()),
        "biases": sizes["layer"] - sizes["rms"],
        "bias_share": (sizes["layer"] - sizes["rms"]) / sizes["rms"],
    }


def pass_seconds(module: nn.Module) -> float:
    """Return the processor time of a norm, forward and backward, on the states of the timed model's batch."""
    x = torch.randn(ROWS * LENGTH, WIDTH, requires_grad=True)
    since = time.process_time()
    module(x).sum().backward()
    return time.process_time() - since


def step_seconds(model: api.Model) -> float:
    """Return the processor time of a training step, without the optimizer."""
    made = torch.randint(0, 1024, (ROWS, LENGTH + 1))
    since = time.process_time()
    ids.loss(model.transformer, made).backward()
    return time.process_time() - since


def measured(scratch: Path) -> Numbers:
    """Time both norms and a whole step by turns."""
    torch.manual_seed(0)
    model = api.build("llama", layers=LAYERS, hidden_size=WIDTH, heads=4, vocab_size=1024, context=LENGTH)
    modules = {kind: norm.build(WIDTH) for kind, norm in NORMS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in (*NORMS, "step")}
    for _ in range(ROUNDS):
        for kind, module in modules.items():
            seconds[kind].append(pass_seconds(module))
        seconds["step"].append(step_seconds(model))
    rms, layer, step = (median(times) for times in seconds.values())
    shares = {f"{kind}_share": (2 * LAYERS + 1) * one / step for kind, one in (("rms", rms), ("layer", layer))}
    return {"rms_ms": 1e3 * rms, "layer_ms": 1e3 * layer, "step_ms": 1e3 * step, "ratio": rms / layer, **shares}


def drawing(numbers: Numbers) -> Any:
    """Return the vector at each shift and scale, and both norms of it."""
    x, shifts, scales = torch.tensor(VECTOR), torch.tensor(SHIFTS), torch.tensor(SCALES)
    inputs = (x + shifts[:, None])[:, None] * scales[:, None]  # shifts scales D
    outputs = {kind: normed(kind, inputs).round(decimals=4).tolist() for kind in NORMS}
    mean, rms = inputs.mean(-1), inputs.square().mean(-1).sqrt()
    told = {"mean": mean.round(decimals=3).tolist(), "size": rms.round(decimals=3).tolist()}
    return {"shifts": SHIFTS, "scales": SCALES, "input": inputs.tolist(), **outputs, **told}


LESSON = Lesson("rmsnorm", exact, drawing, measured)
