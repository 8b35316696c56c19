"""Where norms and additions stand around the sublayers of a block: the one place where they happen.

    pre       x = x + f(norm(x))             learns at any depth (GPT-2, LLaMA, T5)
    post      x = norm(x + f(x))             the form of 2017 (BERT, BART)
    sandwich  x = x + norm(f(norm(x)))       keeps what is added small too (Gemma-2)
    parallel  x = x + f(norm(x)) + g(norm(x))   one norm, the sublayers side by side (GPT-J, PaLM)

Xiong et al. 2020 (arXiv:2002.04745), Ding et al. 2021 (arXiv:2105.13290), Chowdhery et al. 2022 (arXiv:2204.02311).
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from trivium.base.config import Choice
from trivium.model.layer.norm import Norm

Sublayer = Callable[[Tensor], Tensor]


class ResidualStream(nn.Module):
    """Norms and dropout of one block."""

    def __init__(self, norms: Sequence[nn.Module], dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norms)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        """Run the sublayers and add what they give."""
        raise NotImplementedError


class Residual(Choice):
    """How the sublayers of a block join the stream."""

    final: ClassVar[bool] = True
    """Whether the stack ends with a norm of its own."""
    stream: ClassVar[type[ResidualStream]] = ResidualStream

    def build(self, norm: Norm, size: int, sublayers: int, layer: int, dropout: float) -> ResidualStream:
        """Make the module that runs the `sublayers` of one layer."""
        return self.stream([norm.build(size) for _ in range(sublayers)], dropout)


class PreStream(ResidualStream):
    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        for norm, sublayer in zip(self.norms, sublayers, strict=True):
            x = x + self.dropout(sublayer(norm(x)))
        return x


class Pre(Residual, kind="pre"):
    """Norm before each sublayer; without `first`, the very first of a stack reads a normalised embedding as it is."""

    first: bool = True
    stream: ClassVar[type[ResidualStream]] = PreStream

    def build(self, norm: Norm, size: int, sublayers: int, layer: int, dropout: float) -> ResidualStream:
        stream = super().build(norm, size, sublayers, layer, dropout)
        if layer == 0 and not self.first:
            stream.norms[0] = nn.Identity()
        return stream


class PostStream(ResidualStream):
    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        for norm, sublayer in zip(self.norms, sublayers, strict=True):
            x = norm(x + self.dropout(sublayer(x)))
        return x


class Post(Residual, kind="post"):
    """Norm after each addition."""

    final: ClassVar[bool] = False
    stream: ClassVar[type[ResidualStream]] = PostStream


class SandwichStream(ResidualStream):
    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        for before, after, sublayer in zip(self.norms[::2], self.norms[1::2], sublayers, strict=True):
            x = x + self.dropout(after(sublayer(before(x))))
        return x


class Sandwich(Residual, kind="sandwich"):
    """Norm before each sublayer and of what it gives."""

    def build(self, norm: Norm, size: int, sublayers: int, layer: int, dropout: float) -> ResidualStream:
        return SandwichStream([norm.build(size) for _ in range(2 * sublayers)], dropout)


class ParallelStream(ResidualStream):
    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        h = self.norms[0](x)
        return x + sum(self.dropout(sublayer(h)) for sublayer in sublayers)


class Parallel(Residual, kind="parallel"):
    """All sublayers read the same normalised stream: one norm a block, and products that run side by side."""

    def build(self, norm: Norm, size: int, sublayers: int, layer: int, dropout: float) -> ResidualStream:
        return ParallelStream([norm.build(size)], dropout)
