"""Blocks: the decoder of 2017 becomes LLaMA's in six changes; each has its parameters and its time."""

import statistics
import time
from itertools import product
from pathlib import Path
from typing import Any

from trivium.base.config import merge, parse
from trivium.model.config import ModelConfig
from trivium.model.size import parameters
from trivium.model.transformer import Transformer
from trivium.study.course import short
from trivium.study.course.lesson import Lesson, Numbers
from trivium.train.loss.token import TokenLoss

STEPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cross": ({"cross": True}, {"cross": False}),
    "norm": ({"norm": "layer"}, {"norm": "rms"}),
    "place": ({"residual": "post"}, {"residual": "pre"}),
    "position": ({"position": ["sinusoid"]}, {"position": ["rope"]}),
    "ffn": ({"ffn": {"kind": "mlp", "activation": "relu"}}, {"ffn": {"kind": "glu"}}),
    "bias": ({"bias": True}, {"bias": False}),
}
"""What differs between both blocks: the fields of a stack in 2017, and LLaMA's."""
OLD, NEW = (0,) * len(STEPS), (1,) * len(STEPS)
WIDTH, HEADS, LAYERS = 512, 8, 6
"""The size of the model of 2017 whose parameters are counted."""
ROWS, LENGTH, ROUNDS = 8, 128, 7
"""What a timed step reads, and how often both are timed in turn."""


def config(chosen: tuple[int, ...], hidden_size: int = WIDTH, layers: int = LAYERS) -> ModelConfig:
    """Return the model whose decoder has the chosen side, 0 or 1, of each difference."""
    fields: dict[str, Any] = {"layers": layers, "heads": HEADS, "pattern": ["causal"]}
    for (_, sides), side in zip(STEPS.items(), chosen, strict=True):
        fields = merge(fields, sides[side])
    cross, biased = fields.pop("cross"), fields["bias"]
    fields["ffn"]["bias"] = biased
    tree = {"hidden_size": hidden_size, "vocab_size": 512, "context": 512, "decoder": fields}
    if cross:
        tree["encoder"] = {"layers": 1, "heads": HEADS}
    return parse(ModelConfig, tree, "blocks")


def block(chosen: tuple[int, ...]) -> dict[str, int]:
    """Return the parameters of each part of one block: attention, cross, ffn and norms."""
    found = parameters(config(chosen))
    parts = {"attention": "attention", "cross": "cross", "ffn": "ffn", "norms": "residual"}
    return {part: found.get(f"decoder.blocks.{name}", 0) // LAYERS for part, name in parts.items()}


def exact() -> Numbers:
    """Return the parameters of both blocks, and of the old one with each change alone."""
    found = {"old": sum(block(OLD).values()), "new": sum(block(NEW).values())}
    for at, name in enumerate(STEPS):
        one = tuple(int(place == at) for place in range(len(STEPS)))
        found[f"change_{name}"] = sum(block(one).values()) - found["old"]
    for part, count in block(OLD).items():
        found[f"old_{part}"], found[f"new_{part}"] = count, block(NEW)[part]
    return found


def measured(scratch: Path) -> Numbers:
    """Return CPU milliseconds of a forward and backward pass of both blocks as decoders alone, and their ratio."""
    batch, taken = short.random_batch(512, ROWS, LENGTH), dict[str, list[float]](old=[], new=[])
    made = {"old": (1, *OLD[1:]), "new": NEW}  # both without an encoder
    models = {name: Transformer(config(chosen, 256, 4)) for name, chosen in made.items()}
    for _ in range(ROUNDS):
        for name, model in models.items():
            since = time.process_time()
            total, _, _ = TokenLoss().over(model, model.head, batch)
            total.backward()
            taken[name].append(1000 * (time.process_time() - since))
            model.zero_grad()
    old, new = (statistics.median(taken[name][1:]) for name in made)
    return {"old_ms": old, "new_ms": new, "ratio": new / old}


def drawing(numbers: Numbers) -> Any:
    """Return the differences by name, and the parts of the block for each of their combinations."""
    blocks = {"".join(map(str, chosen)): block(chosen) for chosen in product((0, 1), repeat=len(STEPS))}
    return {"steps": [*STEPS], "blocks": blocks}


LESSON = Lesson("blocks", exact, drawing, measured)
