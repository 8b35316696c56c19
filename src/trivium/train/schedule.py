"""Schedules: the learning rate of each step, as a share of its peak.

Warmup-stable-decay: Hu et al. 2024 (arXiv:2404.06395).
"""

import math
from typing import ClassVar, Self

from pydantic import Field, model_validator

from trivium.base.config import Choice, Seq


class Schedule(Choice):
    """A schedule with a linear warmup. Steps count from 0; the last step is `steps` - 1."""

    open_ended: ClassVar = False
    """Whether it runs without knowing the number of steps, until a clock says that `rest(step)` steps are left."""

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

    def rest(self, step: int) -> float:
        """Return how many steps must follow if the end is to begin after `step` steps; only if it is open-ended."""
        raise NotImplementedError

    def ending(self, begin: int, end: int) -> Self:
        """Return the schedule whose end begins at step `begin` and is over after `end` steps; only if open-ended."""
        raise NotImplementedError


class Constant(Schedule, kind="constant"):
    """Keep the peak."""

    open_ended: ClassVar = True

    def after(self, step: int, steps: int) -> float:
        return 1.0

    def rest(self, step: int) -> float:
        return 0.0

    def ending(self, begin: int, end: int) -> Self:
        return self


class Cosine(Schedule, kind="cosine"):
    """Follow half a cosine from the peak to `floor` times the peak."""

    floor: float = Field(0.1, ge=0, le=1)
    """The last share of the peak."""

    def after(self, step: int, steps: int) -> float:
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


class WSD(Schedule, kind="wsd"):
    """Warmup, stable, decay: keep the peak, then fall linearly to `floor` times the peak in the last `decay` share."""

    open_ended: ClassVar = True
    decay: float = Field(0.4, gt=0, le=1)
    """The share of the steps in which the rate falls."""
    floor: float = Field(0.0, ge=0, le=1)
    """The last share of the peak."""
    turns: Seq[Seq[int]] = ()
    """Pairs [begin, end] in place of `decay`: from step `begin` the rate falls to the floor at step `end`, until a
    later pair takes over. A run by minutes decides on them, and says the recipe that repeats it."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        begins = [pair[0] for pair in self.turns]
        if any(len(pair) != 2 or not 0 <= pair[0] < pair[1] for pair in self.turns) or begins != sorted({*begins}):
            raise ValueError("turns: expected pairs [begin, end] with 0 <= begin < end, each pair after the one before")
        return self

    def factor(self, step: int, steps: int) -> float:
        if not self.turns:
            return super().factor(step, steps)
        level = super().factor(min(step, self.turns[0][0]), 1 << 62)  # far from its end, at the peak
        for (begin, end), after in zip(self.turns, [*self.turns[1:], (step, step)], strict=True):
            fallen = (min(step, after[0]) - begin) / (end - begin)
            level = self.floor + (level - self.floor) * (1 - min(1.0, max(0.0, fallen)))
        return level

    def after(self, step: int, steps: int) -> float:
        left = (steps - step) / max(1.0, self.decay * steps)
        return self.floor + (1 - self.floor) * min(1.0, left)

    def rest(self, step: int) -> float:
        return max(0, step - self.warmup_steps) * self.decay / (1 - self.decay) if self.decay < 1 else math.inf

    def ending(self, begin: int, end: int) -> Self:
        return self.replace(turns=(*(pair for pair in self.turns if pair[0] < begin), (begin, end)))
