"""What a model weighs and costs, from its config alone: nothing is allocated.

FLOPs count a multiplication and an addition as two. A training step costs three forward passes: per token
6 x the weights of its matrix products, and 12 x heads x head size x the keys it attends to, in every layer. The
head's matrix counts once, a table look-up not at all; keys are those the pattern allows, not the whole row.
"""

from collections import Counter

import torch
from torch import nn

from trivium.model.attention.pattern import Pattern, Where
from trivium.model.config import ModelConfig
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
        allowed = pattern.allow(Where(q[:, None], one[:, None]), Where(position[None], torch.ones_like(position)[None]))
        seen += int(allowed.expand(len(q), length).sum())
    return seen / length


def row_flops(config: ModelConfig, encoder: int = 0, decoder: int = 0, targets: int = 0) -> float:
    """FLOPs of training on a row of so many tokens in each stack, `targets` of which pass through the head."""
    lengths = {"encoder": encoder, "decoder": decoder, "head": targets}
    with torch.device("meta"):
        model = Transformer(config)
    total = 0.0
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            room = "encoder" if name.endswith(("cross.k", "cross.v")) else name.split(".")[0]
            total += 6.0 * module.weight.numel() * lengths.get(room, 0)
    total += 6.0 * getattr(model.head, "weight", torch.empty(0)).numel() * targets
    for name, stack in config.stacks.items():
        width, length = stack.heads * stack.head_width(config.hidden_size), lengths[name]
        across = encoder if name == "decoder" else 0
        for layer in range(stack.layers):
            total += 12.0 * width * length * (attended(stack.kind(layer)[0], length) + across)
    return total


def flops(config: ModelConfig, length: int) -> float:
    """FLOPs of training on one token where every stack reads `length` tokens and each of the last is predicted."""
    lengths = dict.fromkeys(config.stacks, length)
    return row_flops(config, **lengths, targets=length) / length


def activations(config: ModelConfig, length: int, rows: int) -> float:
    """Bytes that a micro-batch keeps for its backward pass, roughly: what each matrix product and norm reads."""
    per_token = sum(_kept(stack, config.hidden_size) * stack.layers for stack in config.stacks.values())
    return 4.0 * rows * length * (per_token + 4 * config.hidden_size)


def _kept(stack: StackConfig, hidden_size: int) -> int:
    width = stack.head_width(hidden_size)
    heads = stack.heads * width
    kv = (stack.kv_heads or stack.heads) * width
    return 6 * hidden_size + 4 * heads + 3 * kv + 4 * stack.ffn.width(hidden_size)
