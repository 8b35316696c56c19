"""What a run keeps after each step: scores, metrics, checkpoints, and none of them where its state is not finite."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import torch
from torch import nn

from trivium.base.batch import Batch
from trivium.base.errors import NumericsError
from trivium.base.process import Interrupted, shielded
from trivium.train.average import Average
from trivium.train.best import Best
from trivium.train.checkpoint import Saver, checkpoints
from trivium.train.evaluate import Evaluation
from trivium.train.exact.certificate import Certificate
from trivium.train.finite import pass_fault, state_fault
from trivium.train.guard.spike import Spikes
from trivium.train.pace import Pace
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe
from trivium.train.run import Metrics
from trivium.train.step import Step

BAD_STEPS_LIMIT = 10


class Keeper:
    """Scores, metrics and checkpoints of one run, when they are due. All ranks call its methods at the same steps."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        folder: Path,
        world: World,
        precision: torch.dtype,
        last: Step,
        parts: tuple[Pace, Best, Average, Spikes, Certificate, Metrics],
        score: Callable[[], Evaluation] | None,
    ) -> None:
        """`last` is the step from which the run goes on; `score` measures the held-out loss, if there is one."""
        self.model, self.optimizer, self.recipe, self.folder = model, optimizer, recipe, folder
        self.world, self.precision, self.last, self.score = world, precision, last, score
        self.pace, self.best, self.average, spikes, self.certificate, self.metrics = parts
        self.start, self.bad = last.step, 0
        self.saver = Saver(
            folder / "checkpoints", recipe.keep_checkpoints, recipe.keep_minutes, world, recipe.parallel.save_async
        )
        self.states = self.pace.state, self.best.state, spikes.state, self.certificate.state
        self.good: Sequence[Batch] = ()

    def begin(self) -> None:
        """Score before the first step, or make up for the evaluation that a signal ended."""
        if self.score is None:
            return
        best, over = self._scored(self.last.step == self.pace.steps)
        if self.last.step and (best or over):
            self._save(over)
        if self.last.step and over:
            self.pace.steps = self.last.step

    def follow(self, last: Step, batches: Sequence[Batch], due: bool) -> bool:
        """Keep what is due after a step, a checkpoint if it is `due` by the clock; return whether the run ends."""
        recipe, done, final = self.recipe, last.step, last.step == self.pace.steps
        self.last, self.bad = last, 0 if last.finite else self.bad + 1
        self.good = batches if last.finite else self.good
        scores = self.score is not None and (final or done % recipe.eval_every_steps == 0)
        saves = final or ((due or done % recipe.save_every_steps == 0) and not self.bad)
        if final or done % recipe.log_every_steps == 0 or last.reason:
            self.metrics.write(**last.record())
        if self.bad or saves or (scores and self.best.keeps):
            self._check(final)
        if scores:
            best, final = self._scored(final)
            saves |= best
        self.certificate.add(last, self.model if saves or final else None)
        if saves or final:
            self._save(final)
        if final:
            self.pace.steps = done
        return final

    def leave(self, owed: bool = False) -> NoReturn:
        """Save the last step and raise Interrupted; `owed` says that its evaluation was ended."""
        if self.last.step == 0:
            raise Interrupted(f"{self.folder}: stopped before the first step; the same command starts again")
        if self.last.step > self.start:
            self._check(False)
            if owed:
                self.certificate.add(self.last, self.model)
            self._save(final=True, owed=owed)
        self.world.wait()
        of = f"after step {self.last.step}{self.pace.of}"
        raise Interrupted(f"{self.folder}: stopped {of}, saved; add --resume to continue")

    def _check(self, final: bool) -> None:
        fault = state_fault(self.model, self.optimizer) or pass_fault(
            self.model, self.good, self.recipe.loss, self.world, self.precision
        )
        judge(self.last, self.bad, final, self.world.any(fault), self.folder)

    def _save(self, final: bool, owed: bool = False) -> None:
        if not self.world.first and self.world.mesh is None:
            return
        state = {"facts": self.last.record(), "bf16": self.precision == torch.bfloat16}
        for more in self.states:
            state |= more()
        state |= {"owed": True} if owed else {}
        with self.pace.aside("save"), shielded():
            self.saver.save(self.last.step, self.model, self.optimizer, state, final=final, best=self.best.kept)

    def _scored(self, final: bool) -> tuple[bool, bool]:
        """Score; return whether no earlier step was better, and whether the run ends with this one."""
        assert self.score is not None
        try:
            with self.pace.aside("evaluation"), self.average.instead():
                found = self.score()
        except Interrupted:
            self.leave(owed=True)
        told: dict[str, Any] = {**found.record(), **({"weights": "averaged"} if self.average.used else {})}
        told |= {"samples": list(found.samples)} if found.samples else {}
        self.metrics.write(step=self.last.step, **{f"valid_{key}": value for key, value in told.items()})
        if final and found.targets and not math.isfinite(found.loss):
            judge(self.last, self.bad, final, "the held-out loss", self.folder)
        if not self.last.step:
            return False, False
        return self.best.see(self.last.step, found), final or self.best.over


def judge(last: Step, bad: int, final: bool, fault: str, folder: Path) -> None:
    """Raise NumericsError, with what can be done, for a fault of the state, and for too many `bad` steps in a row."""
    if final and last.finite and last.skipped == last.step and not fault:
        raise NumericsError(
            f"step {last.step}: every step was skipped: {last.reason}; check the rows and the objective"
        )
    if fault:
        what = f"{fault} is not finite"
    elif bad >= BAD_STEPS_LIMIT:
        what = f"{bad} steps in a row were not finite: {last.reason}"
    elif final and last.skipped == last.step:
        what = f"every step was skipped: {last.reason}"
    else:
        return
    known = sorted(checkpoints(folder / "checkpoints"))
    start = f"from step {known[-1]}" if known else "at step 0"
    older = f"; --from-step goes on from an older one ({', '.join(map(str, known[:-1]))})" if known[1:] else ""
    raise NumericsError(f"step {last.step}: {what}; lower optim.lr and add --resume, which starts {start}{older}")
