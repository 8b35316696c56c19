"""Stages: the ways of computing that are compared. A file of `stages` is one, and its `STAGE` joins."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from trivium.base import plugin
from trivium.study.verify.subject import Reply, Subject

TOLERANCE = 1e-4
"""How far numbers in float32 may be off, x max(1, the standard deviation of the logits)."""
COARSE = 0.25
"""How far they may be off where weights are stored in fewer bits."""


@dataclass(frozen=True)
class ParityStage:
    """One way of computing."""

    name: str
    order: int
    replies: Callable[[Subject], list[Reply]]
    """What it says about each text; it may go through the texts several times."""
    refusal: Callable[[Subject], str | None] = lambda _: None
    """Why it is not run for a subject, if it is not."""
    tolerance: Callable[[Subject], float] = lambda _: TOLERANCE
    """How far its numbers may be off."""
    bits: bool = False
    """Whether, in exact mode, it must have the bits of the engine with one text alone."""


@cache
def stages() -> list[ParityStage]:
    """Return every stage in the order in which they are run."""
    package = importlib.import_module("trivium.study.verify.stages")
    names = plugin.members(package.__name__, package.__path__)
    found = [importlib.import_module(f"{package.__name__}.{name}").STAGE for name in names]
    return sorted(found, key=lambda stage: stage.order)


def lacking(*modules: str) -> str | None:
    """Return which module is not installed, in words, or None."""
    missing = next((name for name in modules if find_spec(name) is None), None)
    return f"{missing} is not installed" if missing else None
