"""Parameters, FLOPs and memory of a model from its config; nothing is allocated.

A multiplication and an addition are two FLOPs. A training step costs three forward passes: for each token 6 x the
weights of its matrix products, and 12 x heads x head size x attended keys in every layer. The matrix of the head counts
once, a table look-up not at all; only the keys that the pattern allows count.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn

from trivium.base.batch import Batch
from trivium.model.attention.pattern import Pattern, Where
from trivium.model.config import ModelConfig
from trivium.model.init import Undrawn
from trivium.model.stack import StackConfig
from trivium.model.transformer import Transformer

OF_ENCODER = ("cross.k", "cross.v", "inputs.encoder.patch", "project")
"""How the names of other layers that read an encoder's positions end."""
ADAM_BYTES = 16
"""Bytes for each trained parameter: weight, gradient and two moments, float32 each."""


def parameters(config: ModelConfig) -> dict[str, int]:
    """Return the number of parameters of each part; a tied head counts with its table."""
    with torch.device("meta"), Undrawn():
        model = Transformer(config)
    parts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        words = [word for word in name.split(".") if not word.isdigit()]
        parts[".".join(words[:3] if words[0] in ("encoder", "decoder") else words[:1])] += parameter.numel()
    return dict(parts)


def attended(pattern: Pattern, length: int) -> float:
    """Return the mean number of keys that a token attends to in a document of `length`."""
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


def row_flops(config: ModelConfig, encoder: int = 0, decoder: int = 0, targets: float = 0) -> float:
    """Return the FLOPs of training on a row: `encoder` and `decoder` tokens, and `targets` tokens through the head."""
    stacks = {"encoder": encoder, "decoder": decoder}
    read = {**stacks, "head": targets}
    with torch.device("meta"), Undrawn():
        model = Transformer(config)
    total = 0.0
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            room = "encoder" if name.endswith(OF_ENCODER) else name.split(".")[0]
            total += 6.0 * module.weight.numel() * read.get(room, 0)
    total += 6.0 * getattr(model.head, "weight", torch.empty(0)).numel() * targets
    for name, stack in config.stacks.items():
        width, length = stack.heads * stack.head_width(config.width(name)), stacks[name]
        across = encoder if name == "decoder" and config.cross else 0
        for layer in range(stack.layers):
            total += 12.0 * width * length * (attended(stack.kind(layer)[0], length) + across)
    return total


def step_flops(config: ModelConfig, batches: Sequence[Batch]) -> float:
    """Return the FLOPs of training on batches of one shape, the positions of padding included."""
    held = sum(len(batch.stream.documents) for batch in batches)
    enc, dec = (0 if side is None else side.shape[1] for side in (batches[0].enc, batches[0].dec))
    return held * row_flops(config, enc, dec, sum(batch.count() for batch in batches) / held)


def flops(config: ModelConfig, length: int) -> float:
    """Return the FLOPs of training per token where every stack reads `length` tokens and the last predicts each.

    A stack of pictures reads a whole one.
    """
    read = lengths(config, length)
    last = list(read.values())[-1]
    return row_flops(config, **read, targets=last) / last


def lengths(config: ModelConfig, length: int) -> dict[str, int]:
    """Return what each stack reads beside `length` tokens of text: as many, or the patches of a whole picture."""
    return {name: config.reads(name).limit(length) for name in config.stacks}


def training_bytes(config: ModelConfig, length: int, rows: int, chunk_rows: int = 0, recompute: float = 0.0) -> float:
    """Return roughly the bytes of training on micro-batches of `rows` rows of `length` tokens.

    Parts are the weights with gradients and moments, the activations, of which blocks compute the share `recompute`
    again, and `chunk_rows` rows of scores.
    """
    scores = 8.0 * min(chunk_rows, rows * length) * config.vocab_size
    return ADAM_BYTES * sum(parameters(config).values()) + activations(config, length, rows, recompute) + scores


def activations(config: ModelConfig, length: int, rows: int, recompute: float = 0.0) -> float:
    """Return roughly the bytes that a micro-batch keeps for its backward pass: inputs of products and norms.

    A block that is computed again keeps its input, and while its turn lasts all that another keeps.
    """
    kept, read = 0.0, lengths(config, length)
    for name, stack in config.stacks.items():
        width, again = config.width(name), recompute * stack.layers
        whole = _kept(stack, width) * (stack.layers - again + min(again, 1.0))
        kept += (whole + width * again) * read[name]
    return 4.0 * rows * (kept + 4 * config.hidden_size * list(read.values())[-1])


def _kept(stack: StackConfig, hidden_size: int) -> int:
    width = stack.head_width(hidden_size)
    heads = stack.heads * width
    kv = (stack.kv_heads or stack.heads) * width
    return 6 * hidden_size + 4 * heads + 3 * kv + 4 * stack.ffn.width(hidden_size)
