"""A guard against spikes: a step whose loss or gradient norm lies far above its running spread changes nothing.

ZClip (arXiv 2504.02507) clips such gradients; here the step is skipped, counted and told.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field

from trivium.base.config import Config

LEAST = 0.01
"""The least deviation, as a share of the mean: what hardly changes at all has no spikes."""


class SpikeGuard(Config):
    """When a step is a spike."""

    deviations: float = Field(6.0, gt=0, le=1e6)
    """A step is skipped whose loss or gradient norm is so many standard deviations above its running mean."""
    memory_steps: int = Field(100, gt=1, le=1 << 30)
    """About the number of steps that mean and deviation remember; none is skipped before so many were seen."""


class Spikes:
    """The running spread of loss and gradient norm, which a checkpoint keeps. Without a guard no step is a spike."""

    def __init__(self, guard: SpikeGuard | None = None, state: Mapping[str, Any] = MappingProxyType({})) -> None:
        """`state` is that of the checkpoint from which the run goes on."""
        self.guard = guard
        kept = state.get("spikes", {"seen": 0, "spread": {"loss": [0.0, 0.0], "gradient norm": [0.0, 0.0]}})
        self.seen: int = kept["seen"]
        self.spread: dict[str, list[float]] = {name: list(pair) for name, pair in kept["spread"].items()}

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {} if self.guard is None else {"spikes": {"seen": self.seen, "spread": self.spread}}

    def look(self, loss: float, norm: float) -> str:
        """Return why a finite step is to be skipped, nothing if it is not, and remember it.

        A spike is remembered as the limit that it passed, so a level that stays is accepted after some steps.
        """
        if self.guard is None:
            return ""
        reason, ready = "", self.seen >= self.guard.memory_steps
        self.seen += 1
        share = 1.0 / min(self.seen, self.guard.memory_steps)
        for name, value in (("loss", loss), ("gradient norm", norm)):
            mean, variance = self.spread[name]
            deviation = max(math.sqrt(variance), LEAST * abs(mean))
            limit = mean + self.guard.deviations * deviation
            if ready and value > limit:
                above = (value - mean) / deviation if deviation else math.inf
                reason = reason or f"a spike: the {name} {value:.4g} is {above:.1f} deviations above {mean:.4g}"
                value = limit
            self.spread[name] = [mean + share * (value - mean), (1 - share) * (variance + share * (value - mean) ** 2)]
        return reason
