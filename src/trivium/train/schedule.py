"""Schedules: the learning rate of each step, as a share of its peak.

Warmup-stable-decay: Hu et al. 2024 (arXiv:2404.06395).
"""

import math

from pydantic import Field

from trivium.base.config import Choice


class Schedule(Choice):
    """A schedule with a linear warmup. Steps count from 0; the last step is `steps` - 1."""

    warmup_steps: int = Field(0, ge=0)
    """Steps in which the rate rises from 0 to the peak."""

    def factor(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, as a share of the peak."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return self.after(step - self.warmup_steps, max(1, steps - self.warmup_steps))

    def after(self, step: int, steps: int) -> float:
        """Return the share of the peak for a step after the warmup; both numbers count from its end."""
        raise NotImplementedError


class Constant(Schedule, kind="constant"):
    """Keep the peak."""

    def after(self, step: int, steps: int) -> float:
        return 1.0


class Cosine(Schedule, kind="cosine"):
    """Follow half a cosine from the peak to `floor` times the peak."""

    floor: float = Field(0.1, ge=0, le=1)
    """The last share of the peak."""

    def after(self, step: int, steps: int) -> float:
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


class WSD(Schedule, kind="wsd"):
    """Warmup, stable, decay: keep the peak, then fall linearly to `floor` times the peak in the last `decay` share."""

    decay: float = Field(0.4, gt=0, le=1)
    """The share of the steps in which the rate falls."""
    floor: float = Field(0.0, ge=0, le=1)
    """The last share of the peak."""

    def after(self, step: int, steps: int) -> float:
        left = (steps - step) / max(1.0, self.decay * steps)
        return self.floor + (1 - self.floor) * min(1.0, left)
