"""The best checkpoint of a run: that with the lowest held-out loss, and how long no lower one came."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trivium.base.log import say, warn
from trivium.train.checkpoint import checkpoints, find, load_checkpoint
from trivium.train.evaluate import Evaluation
from trivium.train.recipe import Recipe


class Best:
    """The lowest held-out loss after a step, which a checkpoint keeps so that a resumed run goes on with it."""

    def __init__(self, recipe: Recipe, root: Path, state: dict[str, Any]) -> None:
        """`state` is that of the checkpoint in `root` from which the run goes on."""
        self.keeps, self.patience, self.root = recipe.keep_best, recipe.patience, root
        self.step, self.waited, self.scores = 0, 0, dict[str, Any]()
        if kept := state.get("best"):
            self.step, self.waited, self.scores = kept["step"], kept["waited"], kept["scores"]
        if self.kept and self.step not in checkpoints(root):
            warn(f"{root}: the best checkpoint, of step {self.step}, is gone; the best of the next ones is kept")
            self.step, self.scores = 0, {}

    @property
    def over(self) -> bool:
        """Whether so many evaluations in a row had no lower loss that the run ends."""
        return self.patience is not None and self.waited >= self.patience

    @property
    def kept(self) -> int:
        """The step whose checkpoint must stay, 0 if none."""
        return self.step if self.keeps else 0

    def see(self, step: int, found: Evaluation) -> bool:
        """Note the held-out loss after a step; return whether it is the best so far, to be kept."""
        if not math.isfinite(found.loss):
            return False
        if found.loss < self.scores.get("loss", math.inf):
            self.step, self.waited, self.scores = step, 0, found.record()
            return self.keeps
        self.waited += 1
        if self.over:
            say(f"step {step:,}: {self.waited} evaluations had no lower loss than step {self.step:,}; the run ends")
        return False

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"best": {"step": self.step, "waited": self.waited, "scores": self.scores}} if self.scores else {}

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Fill model and optimizer from the best checkpoint; return its step and scores, nothing if none is kept."""
        if not self.kept:
            return {}
        load_checkpoint(find(self.root, self.step), model, optimizer)  # type: ignore[arg-type]
        say(f"the model is that of step {self.step:,}, with the lowest held-out loss: {self.scores['loss']:.4f}")
        return {"step": self.step, **self.scores}
