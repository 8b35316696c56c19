"""From ids to the vectors that a stack reads.

The token table belongs to the Transformer, which shares it between stacks and head; what is added to a token's
vector on its way into one stack (positions, token types, norm) lives here.
"""

import math

from jaxtyping import Float, Int
from torch import Tensor, nn

from trivium.base.config import Choice
from trivium.model.layer.norm import NoNorm, Norm
from trivium.model.layer.position import Position


class Embed(Choice):
    """What a stack reads."""

    def build(self, hidden_size: int, context: int, position: Position, dropout: float) -> nn.Module:
        """Make the module that maps a token's vectors [B, T, D] and their places to the stack's input."""
        raise NotImplementedError


class TokenInput(nn.Module):
    """scale * token + position + type, normalised."""

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
        # The factor is rounded to the model's dtype, as where such models were trained.
        x = tokens * tokens.new_full((), self.scale) if self.scale != 1.0 else tokens
        if self.types is not None:
            x = x + self.types(positions * 0 if types is None else types)
        if self.position is not None:
            x = x + self.position(positions)
        return self.dropout(self.norm(x))


class Tokens(Embed, kind="tokens"):
    """Token vectors: `scale` multiplies them by sqrt(D), `types` adds that many token types (BERT)."""

    scale: bool = False
    types: int = 0
    norm: Norm = NoNorm()

    def build(self, hidden_size: int, context: int, position: Position, dropout: float) -> nn.Module:
        return TokenInput(self, hidden_size, context, position, dropout)
