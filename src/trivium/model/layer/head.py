"""Heads: from hidden states to logits. The matrix of a head is exposed, so that a loss can work in chunks of rows."""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.config import Choice
from trivium.model.init import mark
from trivium.model.layer.ffn import ACTIVATIONS, Activation
from trivium.model.layer.norm import LayerNorm, Norm


class Head(Choice):
    """The output of a model."""

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        """Return the module from hidden states [..., D] to scores; `table` [V, D] is a tied token table, if any."""
        raise NotImplementedError


class VocabularyHead(nn.Module):
    """Logits over the vocabulary, float32: softcap(features(h) @ weight^T + bias)."""

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        table: nn.Parameter | None,
        bias: bool,
        softcap: float | None,
        fixed: bool = False,
    ) -> None:
        super().__init__()
        self.softcap = softcap
        self.product: nn.Module | None = None
        """What computes features(h) @ weight^T + bias instead, where the matrix is packed."""
        self.weight = nn.Parameter(torch.empty(vocab_size, hidden_size)) if table is None else table
        zeros = torch.zeros(vocab_size) if bias else None
        self.bias: Tensor | None
        if fixed:
            self.register_buffer("bias", zeros)
        else:
            self.bias = nn.Parameter(zeros) if zeros is not None else None
        if table is None:
            mark(self, "head")

    def features(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Return the input of the matrix."""
        return hidden

    def forward(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B V"]:
        x = self.features(hidden)
        logits = (F.linear(x, self.weight, self.bias) if self.product is None else self.product(x)).float()
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)


class ScaledHead(VocabularyHead):
    """Divides hidden states by sqrt(D) first."""

    def features(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return hidden * hidden.shape[-1] ** -0.5


class MaskedHead(VocabularyHead):
    """Applies a layer of its own first: norm(act(dense(h)))."""

    def __init__(self, config: "MLM", hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> None:
        super().__init__(vocab_size, hidden_size, table, config.bias, None)
        self.dense = nn.Linear(hidden_size, hidden_size, bias=config.dense_bias)
        self.act = ACTIVATIONS[config.activation]
        self.norm = config.norm.build(hidden_size)

    def features(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.norm(self.act(self.dense(hidden)))


class LM(Head, kind="lm"):
    """The next token. `scale` divides hidden states by sqrt(D), for a tied table of unit variance (T5)."""

    bias: bool = False
    """Whether scores have a bias for each token."""
    fixed_bias: bool = False
    """Whether that bias is a buffer, which no step changes (BART)."""
    softcap: float | None = Field(None, gt=0)
    """The limit of scores: softcap * tanh(score / softcap)."""
    scale: bool = False
    """Whether vectors are divided by the root of the width."""

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        head = ScaledHead if self.scale else VocabularyHead
        return head(vocab_size, hidden_size, table, self.bias, self.softcap, self.fixed_bias)


class MLM(Head, kind="mlm"):
    """The token at a masked position (BERT, RoBERTa); without `dense_bias` in ModernBERT."""

    activation: Activation = "gelu"
    """The function after the dense layer."""
    norm: Norm = LayerNorm(eps=1e-12)
    """The norm after the dense layer."""
    dense_bias: bool = True
    """Whether the dense layer has a bias."""
    bias: bool = True
    """Whether scores have a bias for each token."""

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        return MaskedHead(self, hidden_size, vocab_size, table)


class HiddenHead(nn.Module):
    """Returns hidden states as they are."""

    def __init__(self, config: Head) -> None:
        super().__init__()
        self.config = config

    def forward(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return hidden


class Hidden(Head, kind="none"):
    """No output of its own: hidden states are the result."""

    def build(self, hidden_size: int, vocab_size: int, table: nn.Parameter | None) -> nn.Module:
        return HiddenHead(self)
