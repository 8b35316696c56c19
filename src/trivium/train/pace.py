"""The pace of a run: how many steps it has, and, in a run by minutes, when its learning rate must begin to fall.

The steps decide nothing here: a decision is a pair of steps, which the checkpoint keeps, so a run by minutes can be
resumed and repeated like any other. It knows no model.
"""

import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar

from trivium.base.log import duration, say
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe

FOREVER = 1 << 62
"""The steps of a run whose end is not known yet."""
SURE = 3
"""Steps that are timed before the end is planned; the first are slow."""
RECENT, TENTH = 10, 0.1
"""The time of a step is about the mean of so many of the last steps, and of the last tenth where that is more."""
SHORTER, LONGER = 0.1, 0.25
"""The shares of the rest by which it must be wrong to be planned anew."""
BYTES_PER_SECOND = 3e8
"""How fast a checkpoint is written, until one was timed."""


class Pace:
    """The number of steps and the learning rate of each, decided by a clock where the recipe has a budget of minutes.

    The clock of the first rank decides, and all ranks follow. Steps, evaluations and saves are timed apart.
    """

    clock: ClassVar = staticmethod(time.monotonic)

    def __init__(
        self,
        recipe: Recipe,
        steps: int | None,
        since: float | None = None,
        size: int = 0,
        state: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """`steps` is None in a run by minutes, which began at `since` on the clock and whose state has `size` bytes.

        `state` is that of the checkpoint from which the run goes on: what was decided stays.
        """
        self.recipe, self.schedule, self.steps = recipe, recipe.schedule, FOREVER if steps is None else steps
        self.since, self.before = self.clock() if since is None else since, 0.0
        self.budget = None if steps is not None else 60.0 * (recipe.budget_minutes or 0.0)
        self.turns: list[list[int]] = []
        self.cost = {"step": 0.0, "evaluation": 0.0, "save": size / BYTES_PER_SECOND}
        self.timed, self.apart = 0, 0.0
        self.mark: float | None = None
        self.saved = self.clock()
        if self.budget is not None and (kept := state.get("pace")):
            self.before, self.cost = kept["seconds"], kept["cost"]
            for begin, end in kept["turns"]:
                self._turn(begin, end)

    @property
    def known(self) -> int | None:
        """The number of steps, None if it is not decided."""
        return None if self.steps == FOREVER else self.steps

    @property
    def of(self) -> str:
        """The number of steps as the end of a phrase."""
        return "" if self.known is None else f" of {self.known:,}"

    def repeats(self, precision: str) -> str:
        """Return the overrides of the recipe that repeat by steps what a clock decided; empty where none did."""
        if self.budget is None:
            return ""
        turns = f" schedule.turns={self.turns}".replace(", ", ",") if getattr(self.schedule, "turns", ()) else ""
        auto = f" precision={precision}" if self.recipe.precision == "auto" else ""
        return f"budget_steps={self.steps}{turns}{auto}"

    @property
    def elapsed(self) -> float:
        """Seconds of the run so far, those before it was resumed included."""
        return self.before + self.clock() - self.since

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        if self.budget is None:
            return {}
        return {"pace": {"turns": self.turns, "seconds": round(self.elapsed, 3), "cost": self.cost}}

    def bound(self, done: int) -> int:
        """Return the number of steps beyond which none is loaded; a clock may still move the end of a run."""
        return self.steps if self.budget is None or self.steps <= done else FOREVER

    def lr(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.recipe.optim.lr * self.schedule.factor(step, self.steps)

    @contextmanager
    def aside(self, what: str) -> Iterator[None]:
        """Time a block that is no step: an evaluation or a save."""
        began = self.clock()
        yield
        self.cost[what] = self.clock() - began
        self.apart += self.cost[what]
        self.saved = self.clock() if what == "save" else self.saved

    def look(self, done: int, stop: bool, world: World) -> tuple[bool, bool]:
        """Look at the clock after `done` steps, and decide. All ranks must ask.

        Return whether any rank is to `stop`, and whether it is time to save after the next step.
        """
        wanted = self._wanted(done) if self.budget is not None and world.first else 0
        every = self.recipe.save_every_minutes
        due = world.first and every is not None and self.clock() - self.saved >= 60 * every
        stopped, saves, end = world.sum(float(stop), float(due), float(wanted))
        if end:
            self._turn(done, int(end))
            verb = "ends" if len(self.turns) > 1 else "begins to end"
            say(f"step {done:,}, after {duration(self.elapsed)}: the run {verb} at step {self.steps:,}")
        return stopped > 0, saves > 0

    def _wanted(self, done: int) -> int:
        """Return the step at which the run must end if nothing else is decided now; 0 where all is well."""
        now = self.clock()
        if self.mark is not None:
            self.timed += 1
            known = self.timed - SURE + 1
            share = 1.0 if known < 2 else 1.0 / min(known, max(RECENT, TENTH * known))
            self.cost["step"] += share * (now - self.mark - self.apart - self.cost["step"])
        self.mark, self.apart = now, 0.0
        left = self.budget - self.elapsed  # type: ignore[operator]
        fits = bisect_right(range(1 << 40), left, key=lambda steps: self._seconds(done, steps)) - 1
        if left > 0 and self.timed < SURE and fits > 1:
            return 0
        if self.known is None:
            return done + max(1, fits) if fits <= max(1.0, self.schedule.rest(done)) else 0
        planned = self.steps - done
        short = planned - fits > max(1.0, SHORTER * planned)
        long = fits - planned > max(5.0, LONGER * planned)
        return done + max(1, fits) if short or long else 0

    def _seconds(self, done: int, steps: int) -> float:
        """Return the seconds of some more steps with their evaluations, saves, and what follows the last step."""
        end, cost = done + steps, self.cost
        scores, saves = (-(-end // n) - done // n for n in (self.recipe.eval_every_steps, self.recipe.save_every_steps))
        return steps * cost["step"] + scores * cost["evaluation"] + (saves + 1) * cost["save"]

    def _turn(self, begin: int, end: int) -> None:
        self.turns = [*(pair for pair in self.turns if pair[0] < begin), [begin, end]]
        self.schedule, self.steps = self.schedule.ending(begin, end), end
