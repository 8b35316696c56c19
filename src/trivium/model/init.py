"""How weights start: one table, measured by a test.

    part                                   normal                         scaled
    token, type and position tables        N(0, std)                      N(0, std)
    linear                                 N(0, std)                      N(0, 1 / sqrt(fan_in))
    linear into the stream (o, down)       N(0, std / sqrt(2 layers))     0
    untied head                            N(0, std)                      0
    norm weights, biases                   as built (1 or 0), 0           the same

`normal` is GPT-2's. `scaled` starts every block as the identity; it learns faster at small widths.
"""

import math
from typing import TYPE_CHECKING, ClassVar

from torch import nn

from trivium.base.config import Choice

if TYPE_CHECKING:
    from trivium.model.transformer import Transformer


class Init(Choice):
    """The standard deviations of a fresh model."""

    std: float = 0.02

    def linear(self, fan_in: int) -> float:
        """Of an ordinary linear layer."""
        raise NotImplementedError

    def output(self, layers: int) -> float:
        """Of a linear layer whose result is added to the stream, in a stack of `layers`."""
        raise NotImplementedError

    head: ClassVar[float | None] = None
    """Of an untied head; None is `std`."""


class Normal(Init, kind="normal"):
    """One small number everywhere (GPT-2)."""

    def linear(self, fan_in: int) -> float:
        return self.std

    def output(self, layers: int) -> float:
        return self.std / math.sqrt(2 * layers)


class Scaled(Init, kind="scaled"):
    """By fan-in, with zero outputs."""

    head: ClassVar[float | None] = 0.0

    def linear(self, fan_in: int) -> float:
        return fan_in**-0.5

    def output(self, layers: int) -> float:
        return 0.0


OUTPUTS = ("attention.o", "cross.o", "ffn.down")


def initialise(model: "Transformer") -> None:
    """Draw every weight of a fresh model from the table above."""
    init = model.config.init
    layers = {name: stack.layers for name, stack in model.config.stacks.items()}
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=init.std)
        elif isinstance(module, nn.Linear):
            depth = layers.get(name.split(".")[0], 1)
            std = init.output(depth) if name.endswith(OUTPUTS) else init.linear(module.in_features)
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    head = getattr(model.head, "weight", None)
    if head is not None and not model.config.tie:
        nn.init.normal_(head, std=init.std if init.head is None else init.head)
