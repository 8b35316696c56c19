"""Rows of tokens and patterns small enough to check by hand, for the tests of attention."""

import torch

from trivium.model.attention.pattern import And, Causal, Or, Pattern, Where, Window
from trivium.model.attention.sparse import Global, Random

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
