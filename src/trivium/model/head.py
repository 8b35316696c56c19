"""From hidden states to scores. A head's matrix is exposed, so a loss can be computed in chunks of rows."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.config import Choice


class Head(Choice):
    """What a model predicts."""

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        """Make the head; `table` is the token table of a model that ties it."""
        raise NotImplementedError


class VocabularyHead(nn.Module):
    """Scores over the vocabulary: softcap(features(h) @ weight^T + bias)."""

    def __init__(self, config: "LM", hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> None:
        super().__init__()
        self.softcap = config.softcap
        self.weight = nn.Parameter(torch.empty(vocab_size, hidden_size)) if table is None else table
        self.bias = nn.Parameter(torch.zeros(vocab_size)) if config.bias else None

    def features(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """What the matrix is applied to."""
        return hidden

    def forward(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B V"]:
        logits = F.linear(self.features(hidden), self.weight, self.bias).float()
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)


class LM(Head, kind="lm"):
    """The next token (or, for an encoder, the token itself)."""

    bias: bool = False
    softcap: float | None = None

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        return VocabularyHead(self, hidden_size, vocab_size, table)
