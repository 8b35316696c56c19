"""Norms of the last axis; statistics are float32 whatever the dtype of the input is.

LayerNorm: Ba et al. 2016 (arXiv:1607.06450). RMSNorm: Zhang and Sennrich 2019 (arXiv:1910.07467).
Joint norm of queries and keys: Walsh et al. 2025 (arXiv:2501.00656).
"""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.config import Choice
from trivium.model.layer.joined import fits, joined


class Norm(Choice):
    """The normalisation of a sublayer's input or output."""

    def build(self, size: int) -> nn.Module:
        """Return the module that maps [..., size] to [..., size]."""
        raise NotImplementedError

    def of_heads(self, heads: int, size: int) -> nn.Module:
        """Return the module for queries or keys, [B, heads, T, size] to the same shape: each head by itself."""
        return self.build(size)


class RMSNormModule(nn.Module):
    """Divides by the root mean square and scales by `offset + weight`."""

    def __init__(self, size: int, eps: float, offset: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), 1.0 - offset))
        self.eps, self.offset = eps, offset

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        if fits(x):
            return self.joined(x, None, x.dtype)[1]
        weight = self.weight.float() + self.offset  # in bfloat16 the sum would lose the weight's last bits
        return F.rms_norm(x.float(), weight.shape, weight, self.eps).to(x.dtype)

    def joined(
        self, x: Float[Tensor, "*B D"], addend: Float[Tensor, "*B D"] | None, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "*B D"], Float[Tensor, "*B D"]]:
        """Return x + addend, and its norm in `dtype`, where x `fits`."""
        return joined(x, addend, self.weight.float() + self.offset, self.eps, dtype)


def added(norm: nn.Module, x: Tensor, addend: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return x + addend and its norm, in the type of products where one pass makes both: only a sublayer reads it."""
    if isinstance(norm, RMSNormModule) and fits(x):
        return norm.joined(x, addend, torch.get_autocast_dtype("cpu"))
    x = x if addend is None else x + addend
    return x, norm(x)


class JointRMSNormModule(RMSNormModule):
    """One root mean square for all heads of a token."""

    def forward(self, x: Float[Tensor, "B H T E"]) -> Float[Tensor, "B H T E"]:
        joined = super().forward(x.transpose(1, 2).flatten(2))  # B T H*E
        return joined.unflatten(2, (x.shape[1], x.shape[3])).transpose(1, 2)  # B H T E


class LayerNormModule(nn.LayerNorm):
    """Subtracts the mean, divides by the standard deviation, scales and shifts."""

    def forward(self, input: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        bias = None if self.bias is None else self.bias.float()
        return F.layer_norm(input.float(), self.normalized_shape, self.weight.float(), bias, self.eps).to(input.dtype)


class RMSNorm(Norm, kind="rms"):
    """Root mean square, without mean or shift (LLaMA, T5). With `offset` 1 the weights are stored around 0 (Gemma)."""

    eps: float = Field(1e-6, gt=0, lt=1)
    """Is added to the variance."""
    offset: float = Field(0.0, ge=0)
    """Is added to the weight: 1 is (1 + w)."""

    def build(self, size: int) -> nn.Module:
        return RMSNormModule(size, self.eps, self.offset)


class JointRMSNorm(RMSNorm, kind="rms_joint"):
    """RMSNorm of all heads of queries or keys at once (OLMo 2); where there are no heads, the same as `rms`."""

    def of_heads(self, heads: int, size: int) -> nn.Module:
        return JointRMSNormModule(heads * size, self.eps, self.offset)


class LayerNorm(Norm, kind="layer"):
    """Mean and variance (BERT, GPT-2, BART); without `bias` in ModernBERT."""

    eps: float = Field(1e-5, gt=0, lt=1)
    """Is added to the variance."""
    bias: bool = True
    """Whether there is a bias."""

    def build(self, size: int) -> nn.Module:
        return LayerNormModule(size, self.eps, bias=self.bias)


class NoNorm(Norm, kind="none"):
    """The identity."""

    def build(self, size: int) -> nn.Module:
        return nn.Identity()
