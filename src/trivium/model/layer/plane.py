"""Positions of two axes: a row and a column. A text is one row, whose columns are its positions.

Sinusoids: He et al. 2021 (arXiv:2111.06377), as in the stock ViTMAE. Rotary: Wang et al. 2024 (arXiv:2409.12191), as in
the eyes of Qwen2-VL.
"""

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.model.layer.position import Float32Buffers, Position, RelativePosition, Rotation


def axes(places: Int[Tensor, "B T *A"]) -> Int[Tensor, "B T 2"]:
    """Return the rows and columns of places [B, T, 2], or of positions [B, T] in one row."""
    return places if places.dim() == 3 else torch.stack([torch.zeros_like(places), places], dim=-1)


class PlaneEmbedding(Float32Buffers):
    """Sines and cosines of the column in the first half of the width, of the row in the second."""

    plane = True
    frequency: Tensor

    def __init__(self, hidden_size: int, theta: float) -> None:
        super().__init__()
        count = hidden_size // 4
        self.hidden_size = hidden_size
        self.register_buffer("frequency", theta ** (-torch.arange(count).float() / max(count, 1)), persistent=False)

    def forward(self, places: Int[Tensor, "B T *A"]) -> Float[Tensor, "B T D"]:
        angle = axes(places).flip(-1)[..., None].float() * self.frequency  # B T 2 D/4
        waves = torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(-2)  # B T D
        return F.pad(waves, (0, self.hidden_size - waves.shape[-1]))  # the rest of a width that 4 does not divide


class Sinusoid2D(Position, kind="sinusoid2d"):
    """Fixed sines and cosines of the column and of the row, each in half of the width (MAE)."""

    theta: float = Field(10000.0, gt=0)
    """The base of the wavelengths."""

    def additive(self, context: int, hidden_size: int) -> nn.Module:
        return PlaneEmbedding(hidden_size, self.theta)


class PlaneRotation(RelativePosition):
    """Rotates the pairs (i, i + R/2): the first half of them by the row, the second by the column."""

    plane = True
    frequency: Tensor

    def __init__(self, count: int, theta: float) -> None:
        super().__init__()
        self.register_buffer("frequency", theta ** (-torch.arange(count).float() / max(count, 1)), persistent=False)

    def rotation(self, positions: Int[Tensor, "B T *A"]) -> Rotation:
        angle = (axes(positions)[..., None].float() * self.frequency).flatten(-2)[:, None]  # B 1 T R/2
        angle = torch.cat([angle, angle], dim=-1)  # B 1 T R
        return Rotation(angle.cos(), angle.sin())


class RoPE2D(Position, kind="rope2d"):
    """Rotary: scores depend on distances in rows and in columns only (Qwen2-VL)."""

    theta: float = Field(10000.0, gt=1)
    """The base of the wavelengths."""

    def relative(self, heads: int, head_size: int) -> RelativePosition:
        return PlaneRotation(head_size // 4, self.theta)
