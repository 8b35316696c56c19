"""What a model weighs and costs, from its config alone: nothing is allocated.

FLOPs count a multiplication and an addition as two. A training step costs three forward passes: per token
6 x the weights of its matrix products, and 12 x heads x head size x the keys it attends to, in every layer. The
head's matrix counts once, a table look-up not at all; keys are those the pattern allows, not the whole row.
"""

from collections import Counter

import torch
from torch import nn

from trivium.model.config import ModelConfig
from trivium.model.pattern import Pattern, Where
from trivium.model.stack import StackConfig
from trivium.model.transformer import Transformer

ADAM_BYTES = 16
"""Bytes for each trained parameter: the weight, its gradient and two moments, float32 each."""


def parameters(config: ModelConfig) -> dict[str, int]:
    """Parameters by part; a tied head counts with the table it shares."""
    with torch.device("meta"):
        model = Transformer(config)
    parts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        words = [word for word in name.split(".") if not word.isdigit()]
        parts[".".join(words[:3] if words[0] in ("encoder", "decoder") else words[:1])] += parameter.numel()
    return dict(parts)


def attended(pattern: Pattern, length: int) -> float:
    """How many keys a token of a document of `length` sees, on average."""
    shape = pattern.shape(length)
    if shape is not None:
        return float(length) if shape == "full" else (length + 1) / 2
    position = torch.arange(length)
    seen = 0
    for q in position.split(256):
        one = torch.ones_like(q)
        allowed = pattern.allow(
            Where(q[:, None], one[:, None]), Where(position[None], torch.ones_like(position)[None])
        )
        seen += int(allowed.expand(len(q), length).sum())
    return seen / length


def flops(config: ModelConfig, length: int) -> float:
    """FLOPs of training on one token of a row of `length`."""
    with torch.device("meta"):
        model = Transformer(config)
    products = sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear))
    products += getattr(model.head, "weight", torch.empty(0)).numel()
    attention = 0.0
    for name, stack in config.stacks.items():
        width = stack.heads * stack.head_width(config.hidden_size)
        for layer in range(stack.layers):
            attention += 12 * width * attended(stack.kind(layer)[0], length)
            if name == "decoder" and config.encoder is not None:
                attention += 12 * width * length
    return 6.0 * products + attention


def activations(config: ModelConfig, length: int, rows: int) -> float:
    """Bytes that a micro-batch keeps for its backward pass, roughly: what each matrix product and norm reads."""
    per_token = sum(_kept(stack, config.hidden_size) * stack.layers for stack in config.stacks.values())
    return 4.0 * rows * length * (per_token + 4 * config.hidden_size)


def _kept(stack: StackConfig, hidden_size: int) -> int:
    width = stack.head_width(hidden_size)
    heads = stack.heads * width
    kv = (stack.kv_heads or stack.heads) * width
    return 6 * hidden_size + 4 * heads + 3 * kv + 4 * stack.ffn.width(hidden_size)
