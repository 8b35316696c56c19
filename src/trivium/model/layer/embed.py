"""From ids to the input vectors of a stack.

The Transformer owns the token table, which stacks and head share. Here is what each stack adds to a token's vector:
positions, token types, a norm.
"""

import math

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from trivium.base.config import Choice
from trivium.model.layer.norm import NoNorm, Norm
from trivium.model.layer.position import Position


class Embed(Choice):
    """The input of a stack."""

    def build(self, hidden_size: int, context: int, position: Position, dropout: float) -> nn.Module:
        """Return the module that maps token vectors [B, T, D], positions and types [B, T] to the stack's input."""
        raise NotImplementedError


class TokenInput(nn.Module):
    """norm(scale * token + position + type)"""

    def __init__(self, config: "Tokens", hidden_size: int, context: int, position: Position, dropout: float) -> None:
        super().__init__()
        self.scale = math.sqrt(hidden_size) if config.scale else 1.0
        self.position = position.additive(context, hidden_size)
        self.types = nn.Embedding(config.types, hidden_size) if config.types else None
        self.norm = config.norm.build(hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "B T D"], positions: Int[Tensor, "B T"], types: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        # The factor is rounded to the model's dtype, as in the training of such models.
        x = tokens * tokens.new_full((), self.scale) if self.scale != 1.0 else tokens
        if self.types is not None:
            x = x + self.types(positions * 0 if types is None else types)
        if self.position is not None:
            x = x + self.position(positions).to(x.dtype)
        return self.dropout(self.norm(x))


class Tokens(Embed, kind="tokens"):
    """Token vectors, multiplied by sqrt(D) with `scale`; plus a vector of one of `types` token types (BERT)."""

    scale: bool = False
    """Whether vectors are multiplied by the root of the width."""
    types: int = Field(0, ge=0)
    """The number of token types (BERT has 2); 0 is none."""
    norm: Norm = NoNorm()
    """The norm of the vectors."""

    def build(self, hidden_size: int, context: int, position: Position, dropout: float) -> nn.Module:
        return TokenInput(self, hidden_size, context, position, dropout)
