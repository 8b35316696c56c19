"""Feed-forward networks: equal sizes, what a gate computes, and a product that each kind learns at its own rate."""

from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from trivium.model.layer.ffn import ACTIVATIONS, FFN, GLU, MLP
from trivium.study.course.lesson import Lesson, Numbers

WIDTH = 4096
"""The width of LLaMA-7B, whose inner widths are compared."""
INPUTS, BATCH, STEPS, SEEDS = 16, 128, 400, 3
KINDS: dict[str, FFN] = {
    "relu": MLP(activation="relu", bias=False, size=64),
    "gelu": MLP(activation="gelu", bias=False, size=64),
    "swiglu": GLU(size=43),
}
"""What learns the product: 2,048 weights, and 2,064 in the gated one."""
RATES = (1e-2, 3e-2, 1e-1, 3e-1)
REACH, CELLS = 4.0, 33
"""The largest number and the rows of the drawn matrix."""


def weights(ffn: FFN, width: int) -> int:
    """Return the number of weights of a feed-forward, without making them."""
    with torch.device("meta"):
        return sum(one.numel() for one in ffn.build(width).parameters())


def exact() -> Numbers:
    """Return the widths and weights of both at the width of LLaMA-7B, and the lowest value of SiLU."""
    mlp, glu = MLP(bias=False), GLU()
    x = torch.linspace(-4, 0, 4001, dtype=torch.float64)
    silu = ACTIVATIONS["silu"](x)
    return {
        "mlp_width": mlp.width(WIDTH),
        "glu_width": glu.width(WIDTH),
        "mlp_weights": weights(mlp, WIDTH),
        "glu_weights": weights(glu, WIDTH),
        "silu_low": float(silu.min()),
        "silu_low_at": float(x[silu.argmin()]),
    }


def product(x: Tensor) -> Tensor:
    """Return the product of neighbours [..., D], the last with the first."""
    return x * x.roll(1, dims=-1)


def fit(ffn: FFN, rate: float, seed: int) -> float:
    """Train a feed-forward to multiply; return its mean squared error; the variance of the product is 1."""
    torch.manual_seed(seed)
    module = ffn.build(INPUTS)
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / STEPS)
        x = torch.randn(BATCH, INPUTS)
        optimizer.zero_grad()
        (module(x) - product(x)).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        x = torch.randn(4096, INPUTS)
        return float((module(x) - product(x)).square().mean())


def measured(scratch: Path) -> Numbers:
    """Fit the product with each kind at each rate, then with more seeds at its best rate."""
    found: dict[str, Any] = {}
    for kind, ffn in KINDS.items():
        curve = [fit(ffn, rate, 0) for rate in RATES]
        best = RATES[curve.index(min(curve))]
        errors = [min(curve), *(fit(ffn, best, seed) for seed in range(1, SEEDS))]
        found |= {f"curve_{kind}": curve, f"rate_{kind}": best, f"error_{kind}": fmean(errors)}
        found[f"spread_{kind}"] = max(errors) - min(errors)
    return found


def drawing(numbers: Numbers) -> Any:
    """Return the activations, what a gated unit gives for each gate and value, and the errors by learning rate."""
    x = torch.linspace(-REACH, REACH, CELLS)
    activations = {name: ACTIVATIONS[name](x).round(decimals=4).tolist() for name in ("relu", "gelu", "silu")}
    gated = (ACTIVATIONS["silu"](x) * x.flip(0)[:, None]).round(decimals=4)  # a row for each value, highest first
    plain = ACTIVATIONS["relu"](x).expand(CELLS, -1)
    curves = {kind: numbers[f"curve_{kind}"] for kind in KINDS}
    return {
        "x": x.tolist(),
        **activations,
        "gated": gated.tolist(),
        "plain": plain.tolist(),
        "rates": RATES,
        "curves": curves,
    }


LESSON = Lesson("ffn", exact, drawing, measured)
