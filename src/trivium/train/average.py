"""Averaged weights: an exponential moving average beside the weights that are trained (Polyak and Juditsky 1992)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pydantic import Field
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from trivium.base.config import Config
from trivium.train.parallel.part import local

KEY = "average"
"""The name of the averages in the state of the optimizer, by which checkpoints keep them."""


class EMA(Config):
    """An exponential moving average of the weights, over about 1 / (1 - decay) steps."""

    decay: float = Field(0.999, gt=0, lt=1)
    """What an average keeps of itself in a step; in the n-th step at most (1 + n) / (10 + n)."""
    use: bool = True
    """Whether evaluation and the model folder take the averaged weights; checkpoints keep both."""


class Average:
    """The averages of what an optimizer trains; without an EMA it does nothing."""

    def __init__(self, ema: EMA | None, optimizer: torch.optim.Optimizer) -> None:
        self.ema, self.optimizer = ema, optimizer

    @property
    def used(self) -> bool:
        """Whether evaluation and the model folder take averages."""
        return self.ema is not None and self.ema.use

    def update(self, step: int) -> None:
        """Take in the weights after the `step`-th step that changed them."""
        if self.ema is None:
            return
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        for weight in weights:
            if KEY not in self.optimizer.state[weight]:
                self.optimizer.state[weight][KEY] = weight.detach().clone()
        averages = [local(self.optimizer.state[weight][KEY]) for weight in weights]
        with torch.no_grad():
            weights = [local(weight) for weight in weights]
            get_ema_multi_avg_fn(min(self.ema.decay, (1 + step) / (10 + step)))(averages, weights, step)

    def exchange(self) -> None:
        """Put the averages where the weights are, and the weights where the averages are, bit for bit."""
        with torch.no_grad():
            for weight, state in self.optimizer.state.items():
                if isinstance(average := state.get(KEY), Tensor):
                    trained = weight.clone()
                    weight.copy_(average)
                    average.copy_(trained)

    def settle(self) -> None:
        """Exchange them if the averages are used: a model that is done keeps them."""
        if self.used:
            self.exchange()

    @contextmanager
    def instead(self) -> Iterator[None]:
        """Run a block on the averaged weights, if they are used."""
        self.settle()
        try:
            yield
        finally:
            self.settle()
