"""Parts: the time of an RMSNorm and of a LayerNorm, alone and as a share of a step, and of one product for Q, K and V.

    OMP_NUM_THREADS=1 python bench/parts.py [--rounds 5] [--only norms]

Everything is processor time with one thread, sides in turns, medians. A norm alone is forward and backward of our
module on [tokens, width]. In a step it is what the two passes of a small decoder save without norms: such a model is
not one to train, but it has the same matrix products. Queries, keys and values come from one matrix or from three.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import numpy as np
import torch
from torch import Tensor

from trivium.base.batch import Batch, Stream
from trivium.base.config import parse
from trivium.base.files import read_json, write_json
from trivium.base.log import columns, say
from trivium.model.config import ModelConfig
from trivium.model.device import place
from trivium.model.layer.norm import Norm
from trivium.model.transformer import Transformer
from trivium.train.loss.token import TokenLoss

NORMS = {"RMSNorm": "rms", "LayerNorm": "layer"}
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
TOKENS, WIDTHS, PRODUCTS = 1024, (128, 256), (128, 256, 512)
LAYERS, VOCABULARY, LENGTH = 4, 1024, 128


def turns(sides: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of processor time of each side; sides take turns, two rounds do not count."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 2):
        for name, side in sides.items():
            start = time.process_time()
            side()
            if turn >= 2:
                taken[name].append(1e3 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in taken.items()}


def alone(width: int, dtype: torch.dtype) -> dict[str, Callable[[], Any]]:
    """Return ten passes of each norm, forward and backward, on [TOKENS, width]."""
    x = torch.randn(TOKENS, width, dtype=dtype, requires_grad=True)
    grad = torch.randn(TOKENS, width, dtype=dtype)

    def side(norm: torch.nn.Module) -> Callable[[], None]:
        return lambda: [norm(x).backward(grad) for _ in range(10)]  # type: ignore[return-value]

    return {name: side(Norm.parse(kind).build(width).to(dtype)) for name, kind in NORMS.items()}


def steps(width: int, dtype: torch.dtype) -> dict[str, Callable[[], Any]]:
    """Return the passes of a step of a decoder with each norm and without; weights in float32, products in `dtype`."""
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (TOKENS // LENGTH, LENGTH))
    stream = Stream(ids, np.tile(np.arange(LENGTH), (len(ids), 1)), np.ones_like(ids))
    batch = place(Batch(None, stream, {"token": np.roll(ids, -1, 1)}))

    def side(kind: str) -> Callable[[], None]:
        stack = {"layers": LAYERS, "heads": width // 32, "norm": kind}
        tree = {"preset": "llama", "vocab_size": VOCABULARY, "hidden_size": width, "context": LENGTH, "tie": True}
        model = Transformer(parse(ModelConfig, {**tree, "decoder": stack}))

        def step() -> None:
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                TokenLoss().over(model, model.head, batch).total.backward()

        return step

    return {name: side(kind) for name, kind in {**NORMS, "none": "none"}.items()}


def measured(rounds: int) -> list[dict[str, Any]]:
    """Return a row of numbers for each width and type."""
    rows = []
    for width in WIDTHS:
        for name, dtype in TYPES.items():
            one, whole = turns(alone(width, dtype), rounds), turns(steps(width, dtype), rounds)
            rows.append({"width": width, "type": name, "alone_ms": {key: value / 10 for key, value in one.items()}})
            rows[-1]["step_ms"] = whole
            rows[-1]["share"] = {key: 1 - whole["none"] / whole[key] for key in NORMS}
    return rows


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return header and rows: milliseconds alone and of a step, and the share of the step."""
    head = ["width, type", "RMSNorm ms", "LayerNorm ms", "step with RMSNorm ms", "with LayerNorm ms", "without ms"]
    out = [[*head, "RMSNorm's share", "LayerNorm's share"]]
    for row in rows:
        times = [*(row["alone_ms"][name] for name in NORMS), *(row["step_ms"][name] for name in (*NORMS, "none"))]
        shares = [f"{row['share'][name]:.1%}" for name in NORMS]
        out.append([f"{row['width']}, {row['type']}", *(f"{value:.2f}" for value in times), *shares])
    return out


def products(rounds: int) -> dict[str, dict[str, float]]:
    """Return the milliseconds of one product for queries, keys and values and of three, by width."""
    found = {}
    for width in PRODUCTS:
        x = torch.randn(2 * TOKENS, width, requires_grad=True)
        one = torch.nn.Linear(width, 3 * width, bias=False)
        three = torch.nn.ModuleList(torch.nn.Linear(width, width, bias=False) for _ in range(3))

        def fused(x: Tensor = x, one: torch.nn.Module = one) -> None:
            sum(part.square().sum() for part in one(x).chunk(3, dim=-1)).backward()

        def separate(x: Tensor = x, three: torch.nn.ModuleList = three) -> None:
            sum(part(x).square().sum() for part in three).backward()

        found[str(width)] = turns({"fused": fused, "separate": separate}, 3 * rounds)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["norms", "qkv"])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "parts.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = read_json(given.out) if given.out.is_file() else {}
    if given.only != "qkv":
        what = f"milliseconds of processor time for {TOKENS:,} tokens, forward and backward, one thread, medians of "
        what += f"{given.rounds} rounds; a step has {LAYERS} layers, rows of {LENGTH}, a vocabulary of {VOCABULARY:,}, "
        rows = measured(given.rounds)
        found["norms"] = {"date": date.today().isoformat(), "what": what + "and no optimizer", "rows": rows}
        for line in columns(table(rows)):
            say(line)
    if given.only != "norms":
        what = f"milliseconds of processor time for {2 * TOKENS:,} tokens, forward and backward, one thread, medians"
        found["qkv"] = {"date": date.today().isoformat(), "what": what, "milliseconds": products(given.rounds)}
        say(str(found["qkv"]["milliseconds"]))
    write_json(given.out, {**found, "torch": torch.__version__})
