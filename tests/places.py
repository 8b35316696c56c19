"""Rows of tokens and patterns small enough to check by hand, for the tests of attention."""

import torch

from trivium.base.batch import Stream
from trivium.base.config import dump, parse
from trivium.model.attention.pattern import And, Causal, Or, Pattern, Where, Window
from trivium.model.attention.sparse import Global, Random
from trivium.model.config import ModelConfig
from trivium.model.transformer import Transformer

SIZED: dict[str, Pattern] = {
    "full": Pattern.kinds["full"](),
    "causal": Causal(),
    "prefix": Pattern.kinds["prefix"](),
    "window": Window(size=3),
    "window-both": Window(size=3, both=True),
    "dilated": Pattern.kinds["dilated"](size=3, step=2),
    "dilated-both": Pattern.kinds["dilated"](size=2, step=3, both=True),
    "global": Global(tokens=(0, 5)),
    "block": Pattern.kinds["block"](size=4),
    "random": Random(block=2, count=2, seed=1),
    "strided": Pattern.kinds["strided"](stride=3),
    "fixed": Pattern.kinds["fixed"](stride=4, summary=1),
    "and": And(of=(Causal(), Window(size=4, both=True), Global())),
    "or": Or(of=(Window(size=2, both=True), Global(), Random(block=2, count=1))),
}
"""At sizes that matter within a dozen tokens."""


def patterns() -> dict[str, Pattern]:
    """Every kind at least once: a new one joins by itself, as it is without any field."""
    sized = {pattern.kind for pattern in SIZED.values()}
    return {**SIZED, **{kind: make() for kind, make in Pattern.kinds.items() if kind not in sized}}


def causal(pattern: Pattern) -> Pattern:
    """A pattern that a decoder can have: nothing that is seen is still to come."""
    return Causal() & pattern if pattern.ahead() else pattern


PATTERNS = patterns()


def packed(rows: list[list[int]], length: int, prefix: int | None = None) -> Where:
    """Rows of documents of these lengths, one after the other, then padding; a negative length is padding too."""
    position = torch.zeros(len(rows), length, dtype=torch.long)
    document = torch.zeros(len(rows), length, dtype=torch.long)
    for r, lengths in enumerate(rows):
        at = number = 0
        for size in lengths:
            if size > 0:
                number += 1
                position[r, at : at + size], document[r, at : at + size] = torch.arange(size), number
            at += abs(size)
    return Where(position, document, None if prefix is None else position < prefix)


def alone(length: int, rows: int = 1, start: int = 0) -> Where:
    """Rows of one whole document each."""
    position = torch.arange(start, start + length).expand(rows, -1)
    return Where(position, torch.ones_like(position))


SIZE = 4
"""The window of small models; lengths stand around it."""
CLOSE = 1e-5


def build(*patterns: Pattern, position: str = "rope", kernel: str = "auto") -> Transformer:
    torch.manual_seed(0)
    decoder = {"pattern": [dump(pattern) for pattern in patterns], "kv_heads": 1, "heads": 2, "layers": 2}
    tree = {"preset": "llama", "vocab_size": 50, "depth": 1, "context": 128, "kernel": kernel}
    config = parse(ModelConfig, {**tree, "decoder": {**decoder, "position": position}})
    model = Transformer(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)  # zeros and ones would hide mistakes
    return model


def stream(lengths: list[int], width: int, prefix: int = 0) -> Stream:
    """Rows of these lengths, padded on the left."""
    ids = torch.randint(50, (len(lengths), width), generator=torch.Generator().manual_seed(1))
    positions = torch.arange(width) - torch.tensor([[width - length] for length in lengths])
    documents = (positions >= 0).long()
    positions = positions.clamp(min=0)
    marked = (positions < prefix) & (documents > 0) if prefix else None
    return Stream(ids, positions, documents, plain=min(lengths) == width, prefix=marked)


def part(whole: Stream, start: int, stop: int) -> Stream:
    prefix = whole.prefix[:, start:stop] if whole.prefix is not None and start == 0 else None
    ids, positions, documents = (x[:, start:stop] for x in (whole.ids, whole.positions, whole.documents))
    return Stream(ids, positions, documents, whole.plain, prefix=prefix)
