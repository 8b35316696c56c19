"""How weights start: one table, measured by a test.

    part                                normal                       scaled                    fan_in
    token, type and position tables     N(0, std)                    N(0, std)                 N(0, std), std 1
    bias table of relative positions    N(0, std)                    N(0, 1 / sqrt(D))         N(0, 1 / sqrt(D))
    linear                              N(0, std)                    N(0, 1 / sqrt(fan_in))    N(0, 1 / sqrt(fan_in))
    linear into the stream (o, down)    N(0, std / sqrt(2 layers))   0                         N(0, 1 / sqrt(fan_in))
    untied head                         N(0, std)                    0                         N(0, 1 / sqrt(D))
    norm weights, biases                as built (1 or 0), 0         the same                  the same

`normal` is GPT-2's. `scaled` starts every block as the identity; it learns faster at small widths. `fan_in` is T5's.
Where scores are multiplied by another number than 1 / sqrt(E), queries start smaller or larger by that much, so that
attention starts equally flat everywhere.
"""

import math
from typing import TYPE_CHECKING

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

    def output(self, layers: int, fan_in: int) -> float:
        """Of a linear layer whose result is added to the stream, in a stack of `layers`."""
        raise NotImplementedError

    def head(self, fan_in: int) -> float:
        """Of an untied head."""
        return self.std


class Normal(Init, kind="normal"):
    """One small number everywhere (GPT-2)."""

    def linear(self, fan_in: int) -> float:
        return self.std

    def output(self, layers: int, fan_in: int) -> float:
        return self.std / math.sqrt(2 * layers)


class Scaled(Init, kind="scaled"):
    """By fan-in, with zero outputs."""

    def linear(self, fan_in: int) -> float:
        return fan_in**-0.5

    def output(self, layers: int, fan_in: int) -> float:
        return 0.0

    def head(self, fan_in: int) -> float:
        return 0.0


class FanIn(Init, kind="fan_in"):
    """By fan-in, with tables of unit variance (T5)."""

    std: float = 1.0

    def linear(self, fan_in: int) -> float:
        return fan_in**-0.5

    def output(self, layers: int, fan_in: int) -> float:
        return fan_in**-0.5

    def head(self, fan_in: int) -> float:
        return fan_in**-0.5


OUTPUTS = ("attention.o", "cross.o", "ffn.down")


def initialise(model: "Transformer") -> None:
    """Draw every weight of a fresh model from the table above."""
    init = model.config.init
    layers = {name: stack.layers for name, stack in model.config.stacks.items()}
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            relative = ".relative." in name
            nn.init.normal_(module.weight, std=init.linear(model.config.hidden_size) if relative else init.std)
        elif isinstance(module, nn.Linear):
            depth = layers.get(name.split(".")[0], 1)
            into = name.endswith(OUTPUTS)
            std = init.output(depth, module.in_features) if into else init.linear(module.in_features)
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for stack in model.config.stacks:
        for block in model.get_submodule(stack).blocks:  # type: ignore[union-attr]
            for attention in filter(None, (block.attention, block.cross)):
                if (factor := attention.config.head_size**-0.5 / attention.config.scale) != 1.0:
                    nn.init.normal_(attention.q.weight, std=factor * init.linear(attention.config.hidden_size))
    head = getattr(model.head, "weight", None)
    if head is not None and not model.config.tie:
        nn.init.normal_(head, std=init.head(model.config.hidden_size))
