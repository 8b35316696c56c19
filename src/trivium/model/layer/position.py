"""Positions of tokens: added to the input, rotated into queries and keys, or added to attention scores.

Knows no mask and no kernel. Tables are float32 whatever the dtype of the model is.

Sinusoid: Vaswani et al. 2017 (arXiv:1706.03762). Buckets: Raffel et al. 2020 (arXiv:1910.10683). ALiBi: Press et al.
2022 (arXiv:2108.12409). RoPE: Su et al. 2021 (arXiv:2104.09864), in the half-split layout of Hugging Face, so that
their weights need no permutation; `scaling` changes its frequencies.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from trivium.base.config import Choice
from trivium.model.init import mark
from trivium.model.layer.scaling import NoScaling, Scaling


class Rotation(NamedTuple):
    """Cosines and sines of one pass, float32 [B, 1, T, R]; R <= E is the rotated width."""

    cos: Tensor
    sin: Tensor


class Float32Buffers(nn.Module):
    """A module whose buffers move to another device with the model but stay float32 when it becomes bfloat16."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        tables = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)
        for name, table in tables.items():
            setattr(self, name, table.to(getattr(self, name).device))
        return self


class RelativePosition(Float32Buffers):
    """The part of a position kind that attention uses; this default does nothing."""

    plane = False
    """Whether it reads places of two axes: see `told`."""

    def rotation(self, positions: Int[Tensor, "B T"]) -> Rotation | None:
        """Return the rotation of queries and keys at these positions; see `told`."""
        return None

    def bias(self, q: Int[Tensor, "B T"], k: Int[Tensor, "B S"]) -> Float[Tensor, "B H T S"] | None:
        """Return what is added to the attention scores."""
        return None


def told(module: nn.Module, positions: Tensor, places: Tensor | None) -> Tensor:
    """Return what a module of positions reads: places [B, T, 2] where it is of the `plane`, else positions [B, T]."""
    return places if places is not None and getattr(module, "plane", False) else positions


class Position(Choice):
    """A way to represent positions."""

    @classmethod
    def modern(cls, table: dict[str, Any]) -> dict[str, Any]:
        """Read the sinusoids of format 1, where `paper` told the table of the paper from M2M100's."""
        if table.get("kind") != "sinusoid" or "paper" not in table:
            return table
        return {**{k: v for k, v in table.items() if k != "paper"}, "kind": "sinusoid" if table["paper"] else "m2m100"}

    def additive(self, context: int, hidden_size: int) -> nn.Module | None:
        """Return the module that maps positions [B, T] to vectors [B, T, D] for the input, if the kind has one."""
        return None

    def relative(self, heads: int, head_size: int) -> RelativePosition:
        """Return the module that attention uses."""
        return RelativePosition()

    def limit(self, context: int) -> int | None:
        """Return the number of positions in a table, or None for no limit."""
        return None


class NoPosition(Position, kind="none"):
    """No positions: a causal decoder still knows them from what each token can attend to."""


class LearnedEmbedding(nn.Embedding):
    """A trained vector for each position; the first `offset` rows are unused."""

    def __init__(self, context: int, hidden_size: int, offset: int) -> None:
        super().__init__(context + offset, hidden_size)
        self.offset = offset

    def forward(self, input: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        return super().forward(input + self.offset)


class Learned(Position, kind="learned"):
    """A trained vector for each position (BERT, GPT-2); `offset` 2 in RoBERTa and BART."""

    offset: int = Field(0, ge=0)
    """Rows of the table in front of position 0."""

    def additive(self, context: int, hidden_size: int) -> nn.Module:
        return LearnedEmbedding(context, hidden_size, self.offset)

    def limit(self, context: int) -> int:
        return context


class SinusoidEmbedding(Float32Buffers):
    """Sines in the first half of the width, cosines in the second; position 0 is that of `offset`."""

    frequency: Tensor

    def __init__(self, hidden_size: int, theta: float, steps: int, offset: int = 0) -> None:
        super().__init__()
        self.offset = offset
        place = torch.arange(hidden_size // 2, dtype=torch.float32)
        self.register_buffer("frequency", theta ** (-place / steps), persistent=False)

    def forward(self, positions: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        angle = (positions + self.offset)[..., None].float() * self.frequency  # B T D/2
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Sinusoid(Position, kind="sinusoid"):
    """Fixed sines and cosines, as in 2017 and in Marian: frequencies theta ** (-2i / D), i = 0 ... D/2 - 1."""

    theta: float = Field(10000.0, gt=0)
    """The base of the wavelengths."""

    def additive(self, context: int, hidden_size: int) -> nn.Module:
        return SinusoidEmbedding(hidden_size, self.theta, hidden_size // 2)


class M2M100(Position, kind="m2m100"):
    """Sinusoids whose lowest frequency is 1 / theta exactly: the exponents are divided by D/2 - 1 (M2M100, fairseq)."""

    theta: float = Field(10000.0, gt=0)
    offset: int = Field(0, ge=0)
    """The position of the first token."""

    def additive(self, context: int, hidden_size: int) -> nn.Module:
        return SinusoidEmbedding(hidden_size, self.theta, max(hidden_size // 2 - 1, 1), self.offset)


class RotaryEmbedding(RelativePosition):
    """Rotates dimension pairs (i, i + R/2) by position times frequency i."""

    frequency: Tensor

    def __init__(self, width: int, theta: float, scaling: Scaling) -> None:
        super().__init__()
        self.scaling = scaling
        self.adapts = type(scaling).adapt is not Scaling.adapt
        """Whether the frequencies of a pass depend on its largest position."""
        self.register_buffer("frequency", scaling.frequency(theta, width), persistent=False)

    def rotation(self, positions: Int[Tensor, "B T"]) -> Rotation:
        frequency = self.scaling.adapt(self.frequency, positions)
        angle = positions[:, None, :, None].float() * frequency  # B 1 T R/2
        angle = torch.cat([angle, angle], dim=-1)  # B 1 T R
        return Rotation(angle.cos() * self.scaling.magnitude, angle.sin() * self.scaling.magnitude)


class RoPE(Position, kind="rope"):
    """Rotary: scores depend on distances only. `fraction` < 1 rotates only the first part of each head."""

    theta: float = Field(10000.0, gt=1)
    """The base of the wavelengths."""
    fraction: float = Field(1.0, gt=0, le=1)
    """The share of a head that is rotated."""
    scaling: Scaling = NoScaling()
    """How the rotations are stretched to longer contexts."""

    def relative(self, heads: int, head_size: int) -> RelativePosition:
        return RotaryEmbedding(int(head_size * self.fraction) // 2 * 2, self.theta, self.scaling)


def rotate(x: Float[Tensor, "B H T E"], rotation: Rotation) -> Float[Tensor, "B H T E"]:
    """Rotate the first R dimensions of every head in float32; return the dtype of x."""
    cos, sin = rotation
    width = cos.shape[-1]
    part = x[..., :width].float()
    left, right = part.chunk(2, dim=-1)
    turned = (part * cos + torch.cat([-right, left], dim=-1) * sin).to(x.dtype)
    return turned if width == x.shape[-1] else torch.cat([turned, x[..., width:]], dim=-1)


class BucketBias(RelativePosition):
    """A trained bias for each head and bucket of distances, shared by the layers of a stack."""

    bucket: Tensor

    def __init__(self, config: "Bucket", heads: int) -> None:
        super().__init__()
        self.farthest = config.max_distance
        self.table = mark(nn.Embedding(config.num_buckets, heads), "bias_table")
        ahead = torch.arange(-self.farthest, self.farthest + 1)
        self.register_buffer("bucket", config.bucket(ahead), persistent=False)

    def bias(self, q: Int[Tensor, "B T"], k: Int[Tensor, "B S"]) -> Float[Tensor, "B H T S"]:
        # First a bias for each distance: then all pairs are one look-up.
        by_distance = self.table(self.bucket).t()  # H distances
        ahead = k[:, None, :] - q[:, :, None]  # B T S
        index = ahead.clamp(-self.farthest, self.farthest) + self.farthest
        return by_distance.index_select(1, index.flatten()).view(len(by_distance), *index.shape).transpose(0, 1)


class Bucket(Position, kind="bucket"):
    """A trained bias for each bucket of distances (T5): short distances have their own, longer ones share.

    Distances of `max_distance` or more share the last bucket. `bidirectional` (encoders) gives half of the buckets to
    later keys; without it (decoders) all later keys have distance 0.
    """

    num_buckets: int = Field(32, ge=4)
    """The number of classes of distances."""
    max_distance: int = Field(128, gt=1, le=2**20)
    """Distances from here on share a bucket."""
    bidirectional: bool = False
    """Whether distances to both sides differ."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        exact = self.num_buckets // (4 if self.bidirectional else 2)
        if self.max_distance <= exact:
            raise ValueError(
                f"max_distance {self.max_distance}: expected more than {exact}, the distances with an own bucket"
            )
        return self

    def relative(self, heads: int, head_size: int) -> RelativePosition:
        return BucketBias(self, heads)

    def bucket(self, ahead: Int[Tensor, "*B"]) -> Int[Tensor, "*B"]:
        """Return the bucket of a key `ahead` positions after its query."""
        count = self.num_buckets // 2 if self.bidirectional else self.num_buckets
        exact = count // 2
        distance = ahead.abs() if self.bidirectional else (-ahead).clamp(min=0)
        octave = torch.log(distance.clamp(min=1).float() / exact) / math.log(self.max_distance / exact)
        far = (exact + (octave * (count - exact)).long()).clamp(max=count - 1)
        bucket = torch.where(distance < exact, distance, far)
        return bucket + count * (ahead > 0) if self.bidirectional else bucket


class ALiBiBias(RelativePosition):
    """A fixed penalty on distance, with a slope for each head."""

    slope: Tensor

    def __init__(self, heads: int) -> None:
        super().__init__()
        power = 2 ** int(math.log2(heads))
        exponents = [8 * (i + 1) / power for i in range(power)]
        # Heads beyond a power of two take every other slope of the series for twice that power.
        exponents += [4 * (2 * i + 1) / power for i in range(heads - power)]
        self.register_buffer("slope", 2.0 ** -torch.tensor(exponents), persistent=False)

    def bias(self, q: Int[Tensor, "B T"], k: Int[Tensor, "B S"]) -> Float[Tensor, "B H T S"]:
        distance = (q[:, None, :, None] - k[:, None, None, :]).abs()  # B 1 T S
        return -self.slope[:, None, None] * distance


class ALiBi(Position, kind="alibi"):
    """Scores fall in proportion to distance, at a fixed rate for each head; nothing is learned, no length limit."""

    def relative(self, heads: int, head_size: int) -> RelativePosition:
        return ALiBiBias(heads)
