"""The learning rate as a share of its peak, step by step.

Warmup-stable-decay: Hu et al. 2024 (arXiv:2404.06395).
"""

import math

from pydantic import Field

from trivium.base.config import Choice


class Schedule(Choice):
    """How the learning rate rises and falls. Steps count from 0; the last step is `steps` - 1."""

    warmup_steps: int = Field(0, ge=0)

    def factor(self, step: int, steps: int) -> float:
        """The share of the peak learning rate that step `step` of `steps` takes."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return self.after(step - self.warmup_steps, max(1, steps - self.warmup_steps))

    def after(self, step: int, steps: int) -> float:
        """The same once the warm-up is over."""
        raise NotImplementedError


class Constant(Schedule, kind="constant"):
    """The peak all the way."""

    def after(self, step: int, steps: int) -> float:
        return 1.0


class Cosine(Schedule, kind="cosine"):
    """Half a cosine from the peak to `floor` of it."""

    floor: float = 0.1

    def after(self, step: int, steps: int) -> float:
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


class WSD(Schedule, kind="wsd"):
    """Warmup, stable, decay: the peak until the last `decay` share of the run, then a line to `floor` of it."""

    decay: float = Field(0.4, gt=0, le=1)
    floor: float = 0.0

    def after(self, step: int, steps: int) -> float:
        left = (steps - step) / max(1.0, self.decay * steps)
        return self.floor + (1 - self.floor) * min(1.0, left)
