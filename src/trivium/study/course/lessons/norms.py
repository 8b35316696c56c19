"""Norms before or after: the residual stream and the gradients of a deep stack before its first step."""

from typing import Any

import torch

from trivium.base.config import parse
from trivium.model.config import ModelConfig
from trivium.model.stack import Block
from trivium.model.transformer import Transformer
from trivium.study.course import short
from trivium.study.course.lesson import Lesson, Numbers
from trivium.train.loss.token import TokenLoss

KINDS = ("pre", "post")
DEPTHS = (6, 12, 24)
WIDTH, VOCAB_SIZE, LENGTH = 64, 512, 64


def tree(kind: str, depth: int) -> dict[str, Any]:
    """Return a narrow LLaMA with its norms before or after the sublayers, with drawn outputs."""
    stack = {"residual": kind, "layers": depth, "heads": 2}
    sizes = {
        "hidden_size": WIDTH,
        "vocab_size": VOCAB_SIZE,
        "context": 128,
        "init": {"kind": "fan_in", "std": 0.02},
        "tie": True,
    }
    return {"preset": "llama", **sizes, "decoder": stack}


def start(kind: str, depth: int) -> dict[str, list[float]]:
    """Return of a fresh model the root mean square of the stream after each block, and each block's gradient norm."""
    torch.manual_seed(0)
    model = Transformer(parse(ModelConfig, tree(kind, depth), kind))
    blocks = [part for part in model.modules() if isinstance(part, Block)]
    sizes: list[float] = []
    for block in blocks:
        block.register_forward_hook(lambda _, given, made: sizes.append(float(made.detach().square().mean().sqrt())))
    batch = short.random_batch(VOCAB_SIZE, rows=4, length=LENGTH)
    total, _, targets = TokenLoss().over(model, model.head, batch)
    (total / len(targets)).backward()
    gradients = [
        float(torch.cat([weight.grad.flatten() for weight in block.parameters() if weight.grad is not None]).norm())
        for block in blocks
    ]
    return {"stream": sizes, "gradient": gradients}


def exact() -> Numbers:
    """Return for each depth how much the stream grows over the blocks, and the gradient norm of the first block."""
    found = {}
    for kind in KINDS:
        for depth in DEPTHS:
            begun = start(kind, depth)
            found[f"growth_{kind}_{depth}"] = begun["stream"][-1] / begun["stream"][0]
            found[f"gradient_{kind}_{depth}"] = begun["gradient"][0]
    return found


def drawing(numbers: Numbers) -> Any:
    """Return the sizes of stream and gradients in each block for both forms and three depths."""
    return {str(depth): {kind: start(kind, depth) for kind in KINDS} for depth in DEPTHS}


LESSON = Lesson("norms", exact, drawing)
