"""Where norms and additions stand around the sublayers of a block: the one place where they happen.

    pre       x = x + f(norm(x))                learns at any depth (GPT-2, LLaMA, T5)
    post      x = norm(x + f(x))                the form of 2017 (BERT, BART)
    sandwich  x = x + norm(f(norm(x)))          keeps the addends small too (Gemma-2)
    parallel  x = x + f(norm(x)) + g(norm(x))   one norm, the sublayers side by side (GPT-J, PaLM)

Xiong et al. 2020 (arXiv:2002.04745), Ding et al. 2021 (arXiv:2105.13290), Chowdhery et al. 2022 (arXiv:2204.02311).
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from trivium.base.config import Choice
from trivium.model.layer.norm import Norm, added

Sublayer = Callable[[Tensor], Tensor]


class ResidualStream(nn.Module):
    """Norms and dropout of one block; here a norm stands before each sublayer."""

    def __init__(self, norms: Sequence[nn.Module], dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norms)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        """Run the sublayers and add their outputs to x."""
        y: Any = None
        for norm, sublayer in zip(self.norms, sublayers, strict=True):
            x, h = added(norm, x, y)
            y = self.dropout(sublayer(h))
        return x + y


class PostStream(ResidualStream):
    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        for norm, sublayer in zip(self.norms, sublayers, strict=True):
            x = norm(x + self.dropout(sublayer(x)))
        return x


class SandwichStream(ResidualStream):
    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        y: Any = None
        for before, after, sublayer in zip(self.norms[::2], self.norms[1::2], sublayers, strict=True):
            x, h = added(before, x, y)
            y = self.dropout(after(sublayer(h)))
        return x + y


class ParallelStream(ResidualStream):
    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        x, h = added(self.norms[0], x, None)
        return x + sum(self.dropout(sublayer(h)) for sublayer in sublayers)


class Residual(Choice):
    """How the sublayers of a block join the residual stream."""

    final: ClassVar[bool] = True
    """Whether the stack ends with a norm of its own."""

    def build(self, norm: Norm, size: int, sublayers: int, layer: int, dropout: float) -> ResidualStream:
        """Return the module that runs the `sublayers` of block number `layer` at the width `size`."""
        raise NotImplementedError


class Pre(Residual, kind="pre"):
    """Norm before each sublayer; without `first`, the very first of a stack reads a normalised embedding as it is."""

    first: bool = True
    """Whether the first layer has its norm."""

    def build(self, norm: Norm, size: int, sublayers: int, layer: int, dropout: float) -> ResidualStream:
        norms = [norm.build(size) for _ in range(sublayers)]
        return ResidualStream(norms if layer or self.first else [nn.Identity(), *norms[1:]], dropout)


class Post(Residual, kind="post"):
    """Norm after each addition."""

    final: ClassVar[bool] = False

    def build(self, norm: Norm, size: int, sublayers: int, layer: int, dropout: float) -> ResidualStream:
        return PostStream([norm.build(size) for _ in range(sublayers)], dropout)


class Sandwich(Residual, kind="sandwich"):
    """Norm before each sublayer and of its output; without `before`, of its output alone (OLMo 2)."""

    before: bool = True
    """Whether there is a norm in front of a sublayer too."""

    def build(self, norm: Norm, size: int, sublayers: int, layer: int, dropout: float) -> ResidualStream:
        norms = [norm.build(size) if at % 2 or self.before else nn.Identity() for at in range(2 * sublayers)]
        return SandwichStream(norms, dropout)


class Parallel(Residual, kind="parallel"):
    """All sublayers read the same normalised stream: one norm for each block, and matrix products side by side."""

    def build(self, norm: Norm, size: int, sublayers: int, layer: int, dropout: float) -> ResidualStream:
        return ParallelStream([norm.build(size)], dropout)
