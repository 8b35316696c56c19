"""Where norms and additions stand around the sublayers of a block: the one place where they happen.

    pre       x = x + f(norm(x))             learns at any depth (GPT-2, LLaMA, T5)
    post      x = norm(x + f(x))             the form of 2017 (BERT, BART)

Pre and post: Xiong et al. 2020 (arXiv:2002.04745).
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from trivium.base.config import Choice
from trivium.model.norm import Norm

Sublayer = Callable[[Tensor], Tensor]


class Residual(Choice):
    """How the sublayers of a block join the stream."""

    final: ClassVar[bool] = True
    """Whether the stack ends with a norm of its own."""

    def build(self, norm: Norm, size: int, sublayers: int, dropout: float) -> "Stream":
        """Make the module that runs `sublayers` of them."""
        raise NotImplementedError


class Stream(nn.Module):
    """Norms and dropout of one block."""

    def __init__(self, norms: Sequence[nn.Module], dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norms)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        """Run the sublayers and add what they give."""
        raise NotImplementedError


class PreStream(Stream):
    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        for norm, sublayer in zip(self.norms, sublayers, strict=True):
            x = x + self.dropout(sublayer(norm(x)))
        return x


class PostStream(Stream):
    def forward(self, x: Float[Tensor, "B T D"], sublayers: Sequence[Sublayer]) -> Float[Tensor, "B T D"]:
        for norm, sublayer in zip(self.norms, sublayers, strict=True):
            x = norm(x + self.dropout(sublayer(x)))
        return x


class Pre(Residual, kind="pre"):
    """Norm before each sublayer; the stream itself is never normalised."""

    def build(self, norm: Norm, size: int, sublayers: int, dropout: float) -> Stream:
        return PreStream([norm.build(size) for _ in range(sublayers)], dropout)


class Post(Residual, kind="post"):
    """Norm after each addition."""

    final: ClassVar[bool] = False

    def build(self, norm: Norm, size: int, sublayers: int, dropout: float) -> Stream:
        return PostStream([norm.build(size) for _ in range(sublayers)], dropout)
