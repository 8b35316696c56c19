"""Decoding at a context of 4,096: tokens/s and bytes of the KV cache, for MHA, GQA, MQA and windows.

    OMP_NUM_THREADS=1 python bench/decode.py [--context 4096] [--tokens 32] [--rounds 5] [--depth 8]

A decoder of LLaMA's block, random weights, one row, float32, one thread. The prompt fills the cache, then tokens are
generated one by one. The sides take turns and the median counts. The bytes of a cache are those of its buffers. The
script prints its results and writes bench/results/decode.json.
"""

import argparse
import os
import statistics
import time
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch

from trivium import api
from trivium.base.files import write_json
from trivium.infer.generate import Generation
from trivium.infer.request import Request
from trivium.study.course.lessons.heads import cache_bytes

HEADS, WIDTH = 8, 512
WINDOW = {"kind": "window", "size": 256}
SIDES: dict[str, dict[str, Any]] = {
    f"MHA: {HEADS} heads of keys": {"kv_heads": HEADS},
    "GQA: 2": {"kv_heads": 2},
    "MQA: 1": {"kv_heads": 1},
    "MHA, window 256": {"kv_heads": HEADS, "pattern": WINDOW},
    "GQA, 3 of 4 layers window 256": {"kv_heads": 2, "pattern": [WINDOW, WINDOW, WINDOW, "causal"]},
}


def model(depth: int, context: int, **choices: Any) -> api.Model:
    """Return a decoder with the given key/value heads and patterns; all else is equal."""
    torch.manual_seed(0)
    return api.build("llama", layers=depth, heads=HEADS, hidden_size=WIDTH, vocab_size=2048, context=context, **choices)


def begin(side: api.Model, context: int, tokens: int) -> Generation:
    """Return a generation that has read its prompt and written one token; the text will end at `context`."""
    prompt = torch.randint(0, 2048, (context - tokens - 1,), generator=torch.Generator().manual_seed(1)).tolist()
    run = Generation(side.transformer, Request([prompt], max_new_tokens=tokens + 1))
    run.engine.lookup = False  # one token a pass
    run.step()
    return run


def measure(depth: int, context: int, tokens: int, rounds: int) -> dict[str, Any]:
    """Return the tokens/s and bytes of every side."""
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    held: dict[str, int] = {}
    models = {name: model(depth, context, **choices) for name, choices in SIDES.items()}
    per_round = max(1, tokens // rounds)
    runs = {name: begin(side, context, per_round * rounds) for name, side in models.items()}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(per_round):
                run.step()
            seconds[name].append((time.perf_counter() - start) / per_round)
            held[name] = cache_bytes(run)
    found = {}
    for name, side in models.items():
        stack = side.config.decoder
        assert stack is not None
        layers = sum(stack.kind(layer)[0].keep is None for layer in range(stack.layers))
        found[name] = {
            "tokens_per_second": 1 / statistics.median(seconds[name]),
            "cache_mb": held[name] / 2**20,
            "cache_bytes_per_token": 2 * layers * (stack.kv_heads or stack.heads) * stack.head_width(WIDTH) * 4,
        }
        row = found[name]
        print(
            f"{name:<32} {row['tokens_per_second']:>7.1f} tokens/s  {row['cache_mb']:>7.1f} MB  "
            f"{row['cache_bytes_per_token']:>7,} more bytes for each token",
            flush=True,
        )
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("context", 4096), ("tokens", 32), ("rounds", 5), ("depth", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "decode.json")
    chosen = parser.parse_args()
    what = f"{chosen.depth} layers, width {WIDTH}, {HEADS} heads, one row, float32, {torch.get_num_threads()} thread, "
    sides = measure(chosen.depth, chosen.context, chosen.tokens, chosen.rounds)
    told = f"{what}around position {chosen.context:,}"
    write_json(chosen.out, {"date": date.today().isoformat(), "torch": torch.__version__, "what": told, "sides": sides})
