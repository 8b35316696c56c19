"""How a model knows where a token stands: added to the input, turned into queries and keys, or added to scores.

Sinusoid: Vaswani et al. 2017 (arXiv:1706.03762). RoPE: Su et al. 2021 (arXiv:2104.09864), in the half-split layout
of Hugging Face, so that their weights need no permutation. Tables are float32 whatever the model computes in.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trivium.base.config import Choice


class Rotation(NamedTuple):
    """Cosines and sines of one pass, float32 [B, 1, T, R] with R <= E the rotated width."""

    cos: Tensor
    sin: Tensor


class Relative(nn.Module):
    """What a position kind gives to attention; the default gives nothing."""

    def rotation(self, positions: Int[Tensor, "B T"]) -> Rotation | None:
        """How queries and keys at these positions are turned."""
        return None

    def bias(self, q: Int[Tensor, "B T"], k: Int[Tensor, "B S"]) -> Float[Tensor, "B H T S"] | None:
        """What is added to the scores."""
        return None


class Position(Choice):
    """One way of telling positions apart."""

    def additive(self, context: int, hidden_size: int) -> nn.Module | None:
        """Make the module that maps positions [B, T] to what is added to the input [B, T, D], if any."""
        return None

    def relative(self, heads: int, head_size: int) -> Relative:
        """Make the module that attention asks."""
        return Relative()

    def limit(self, context: int) -> int | None:
        """The number of positions there are, where a table ends."""
        return None


class NoPosition(Position, kind="none"):
    """Nothing: a causal decoder still tells positions apart by what it can see."""


class LearnedTable(nn.Embedding):
    """A trained vector for each position, the first `offset` rows unused."""

    def __init__(self, context: int, hidden_size: int, offset: int) -> None:
        super().__init__(context + offset, hidden_size)
        self.offset = offset

    def forward(self, input: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        return super().forward(input + self.offset)


class Learned(Position, kind="learned"):
    """A trained vector for each position (BERT, GPT-2); `offset` 2 in RoBERTa and BART."""

    offset: int = 0

    def additive(self, context: int, hidden_size: int) -> nn.Module:
        return LearnedTable(context, hidden_size, self.offset)

    def limit(self, context: int) -> int:
        return context


class SinusoidTable(nn.Module):
    """Sines in the first half of the width, cosines in the second."""

    frequency: Tensor

    def __init__(self, hidden_size: int, theta: float) -> None:
        super().__init__()
        half = hidden_size // 2
        self.register_buffer(
            "frequency", theta ** (-torch.arange(half, dtype=torch.float32) / max(half - 1, 1)), persistent=False
        )

    def forward(self, positions: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        angle = positions[..., None].float() * self.frequency  # B T D/2
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Sinusoid(Position, kind="sinusoid"):
    """Fixed sines and cosines of geometric wavelengths; needs an even width."""

    theta: float = 10000.0

    def additive(self, context: int, hidden_size: int) -> nn.Module:
        return SinusoidTable(hidden_size, self.theta)


class Scaling(Choice):
    """How RoPE's frequencies are stretched for contexts longer than those trained on."""

    def scale(self, frequency: Float[Tensor, " R/2"]) -> Float[Tensor, " R/2"]:
        """Give the frequencies that are used in place of `frequency`."""
        return frequency


class NoScaling(Scaling, kind="none"):
    """As trained."""


class Linear(Scaling, kind="linear"):
    """Every position divided by `factor` (Chen et al. 2023, arXiv:2306.15595)."""

    factor: float = 2.0

    def scale(self, frequency: Float[Tensor, " R/2"]) -> Float[Tensor, " R/2"]:
        return frequency / self.factor


class Llama3(Scaling, kind="llama3"):
    """Long wavelengths divided by `factor`, short ones kept, those between blended (Llama 3.1)."""

    factor: float = 8.0
    low_frequency_factor: float = 1.0
    high_frequency_factor: float = 4.0
    original_context: int = 8192

    def scale(self, frequency: Float[Tensor, " R/2"]) -> Float[Tensor, " R/2"]:
        turns = self.original_context * frequency / (2 * math.pi)
        low, high = self.low_frequency_factor, self.high_frequency_factor
        kept = ((turns - low) / (high - low)).clamp(0, 1)
        return (1 - kept) * frequency / self.factor + kept * frequency


class Rotary(Relative):
    """Turns dimension pairs (i, i + R/2) by position times frequency i."""

    frequency: Tensor

    def __init__(self, width: int, theta: float, scaling: Scaling) -> None:
        super().__init__()
        exponent = torch.arange(0, width, 2, dtype=torch.float32) / width
        self.register_buffer("frequency", scaling.scale(1.0 / theta**exponent), persistent=False)

    def rotation(self, positions: Int[Tensor, "B T"]) -> Rotation:
        angle = positions[:, None, :, None].float() * self.frequency.float()  # B 1 T R/2
        angle = torch.cat([angle, angle], dim=-1)  # B 1 T R
        return Rotation(angle.cos(), angle.sin())


class RoPE(Position, kind="rope"):
    """Rotary: scores depend on distance alone. `fraction` < 1 turns only the first part of each head."""

    theta: float = 10000.0
    fraction: float = 1.0
    scaling: Scaling = NoScaling()

    def relative(self, heads: int, head_size: int) -> Relative:
        return Rotary(int(head_size * self.fraction) // 2 * 2, self.theta, self.scaling)


def rotate(x: Float[Tensor, "B H T E"], rotation: Rotation) -> Float[Tensor, "B H T E"]:
    """Turn the first R dimensions of every head, in float32, and give them back in x's dtype."""
    cos, sin = rotation
    width = cos.shape[-1]
    part = x[..., :width].float()
    left, right = part.chunk(2, dim=-1)
    turned = (part * cos + torch.cat([-right, left], dim=-1) * sin).to(x.dtype)
    return turned if width == x.shape[-1] else torch.cat([turned, x[..., width:]], dim=-1)
