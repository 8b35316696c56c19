"""Shared heads of keys and values: the bytes of a KV cache, weights, and the speed of decoding, from MHA to MQA."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

from trivium import api
from trivium.infer.generate import Generation
from trivium.infer.request import Request
from trivium.model.attention.kernel import Eager
from trivium.model.config import ModelConfig, configure
from trivium.model.size import parameters
from trivium.study.course.lesson import Lesson, Numbers
from trivium.study.course.lessons.attention import causal

HEADS, GROUPED = 32, (32, 16, 8, 4, 2, 1)
"""The heads of LLaMA-2-7B, and the key/value heads that are compared."""
CONTEXT, BYTES, GIB = 4096, 2, 2**30
TIMED = {"mha": 8, "gqa": 2, "mqa": 1}
PROMPT, TOKENS = 1024, 12
"""The decoder that is timed has 8 heads: its key/value heads, the tokens of its prompt and of its answer."""


def large(kv_heads: int) -> ModelConfig:
    """Return a decoder of the shape of LLaMA-2-7B with some key/value heads."""
    sizes = {"hidden_size": 4096, "layers": 32, "heads": HEADS, "vocab_size": 32000, "ffn_size": 11008}
    return configure("llama", **sizes, kv_heads=kv_heads)


def token_bytes(config: ModelConfig) -> int:
    """Return the bytes of the KV cache that a token adds: a key and a value for each key/value head of each layer."""
    stack = config.decoder
    assert stack is not None
    return 2 * (stack.kv_heads or stack.heads) * stack.head_width(config.hidden_size) * stack.layers * BYTES


def exact() -> Numbers:
    """Return the cache and the weights of a model of the shape of LLaMA-2-7B for each number of key/value heads."""
    found: dict[str, Any] = {}
    for count in GROUPED:
        config = large(count)
        found[f"token_{count}"] = token_bytes(config)
        found[f"gib_{count}"] = token_bytes(config) * CONTEXT / GIB
        found[f"weights_{count}"] = sum(parameters(config).values())
    return {**found, "rows_mha": int(24 / found["gib_32"]), "rows_gqa": int(24 / found["gib_8"])}


def same() -> float:
    """Return how far grouped heads are from as many full heads whose keys and values are copies."""
    q, k, v = (torch.randn(1, count, 16, 8, generator=torch.Generator().manual_seed(count)) for count in (8, 2, 2))
    grouped = Eager().attend(q, k, v, causal(16), 8**-0.5)
    k, v = (x.repeat_interleave(4, dim=1) for x in (k, v))
    copied = Eager().attend(q, k, v, causal(16), 8**-0.5)
    return float((grouped - copied).abs().max())


def begin(kv_heads: int) -> Generation:
    """Return a generation of a small decoder that has read its prompt and written one token."""
    torch.manual_seed(0)
    sizes = {"layers": 4, "heads": 8, "hidden_size": 512, "vocab_size": 1024, "context": PROMPT + TOKENS + 2}
    model = api.build("llama", **sizes, kv_heads=kv_heads)
    prompt = torch.randint(0, 1024, (PROMPT,), generator=torch.Generator().manual_seed(1)).tolist()
    run = Generation(model.transformer, Request([prompt], max_new_tokens=TOKENS + 2))
    run.engine.lookup = False  # one token a pass
    run.step()
    return run


def cache_bytes(run: Generation) -> int:
    """Return the bytes of the buffers that hold the keys and values of a generation that goes on."""
    return sum(buffer.nbytes for row in run.rows if row.slot is not None for buffer in row.slot.home.buffers)


def measured(scratch: Path) -> Numbers:
    """Decode by turns with eight, two and one key/value heads; look at the size of each cache."""
    runs = {name: begin(count) for name, count in TIMED.items()}
    held = {f"mb_{name}": cache_bytes(run) / 2**20 for name, run in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in TIMED}
    for _ in range(TOKENS):
        for name, run in runs.items():
            since = time.process_time()
            run.step()
            seconds[name].append(time.process_time() - since)
    times = {f"ms_{name}": 1e3 * median(found) for name, found in seconds.items()}
    return {"same": same(), **held, **times}


def drawing(numbers: Numbers) -> Any:
    """Return the heads, each number of key/value heads, and its bytes of cache for a token and weights."""
    bytes_, weights = ([numbers[f"{what}_{count}"] for count in GROUPED] for what in ("token", "weights"))
    return {"heads": HEADS, "counts": GROUPED, "bytes": bytes_, "weights": weights}


LESSON = Lesson("heads", exact, drawing, measured)
