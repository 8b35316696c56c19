"""Scaling of RoPE's frequencies for contexts longer than those of training.

A frequency is the angle by which one position rotates a pair of dimensions.
Linear: Chen et al. 2023 (arXiv:2306.15595). NTK and YaRN: Peng et al. 2023 (arXiv:2309.00071). LongRoPE: Ding et al.
2024 (arXiv:2402.13753).
"""

import math

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from trivium.base.config import Choice, Seq
from trivium.base.errors import ModelError


class Scaling(Choice):
    """A scaling of frequencies."""

    def frequency(self, theta: float, width: int) -> Float[Tensor, " R/2"]:
        """Return the frequencies of a rotated width R: theta ** (-2i / R), scaled."""
        exponent = torch.arange(0, width, 2, dtype=torch.float32) / width
        return self.scale(1.0 / theta**exponent, theta)

    def scale(self, frequency: Float[Tensor, " R/2"], theta: float) -> Float[Tensor, " R/2"]:
        """Return the frequencies in place of `frequency`, once for a model."""
        return frequency

    def adapt(self, frequency: Float[Tensor, " R/2"], positions: Int[Tensor, "B T"]) -> Float[Tensor, " R/2"]:
        """Return the frequencies of one pass, where they depend on its largest position."""
        return frequency

    @property
    def magnitude(self) -> float:
        """The factor of sines and cosines; scores get its square."""
        return 1.0


class NoScaling(Scaling, kind="none"):
    """The frequencies of training."""


class Linear(Scaling, kind="linear"):
    """Divide every position by `factor`."""

    factor: float = Field(2.0, ge=1)

    def scale(self, frequency: Float[Tensor, " R/2"], theta: float) -> Float[Tensor, " R/2"]:
        return frequency / self.factor


class Dynamic(Scaling, kind="dynamic"):
    """NTK-aware: theta grows with the length of a pass that is longer than `original_context`.

    Beyond that length a KV cache holds keys at the frequencies of their own step, as in Hugging Face, so decoding step
    by step and one long pass differ there.
    """

    factor: float = Field(2.0, ge=1)
    original_context: int = Field(4096, gt=0)

    def adapt(self, frequency: Float[Tensor, " R/2"], positions: Int[Tensor, "B T"]) -> Float[Tensor, " R/2"]:
        width = 2 * len(frequency)
        reach = (positions.max() + 1).clamp(min=self.original_context)
        growth = self.factor * reach / self.original_context - (self.factor - 1)
        # theta * growth ** (R / (R - 2)), as a factor of the frequencies
        exponent = torch.arange(0, width, 2, device=frequency.device) / max(width - 2, 1)
        return frequency * growth**-exponent


class YaRN(Scaling, kind="yarn"):
    """Keep the frequency of fast pairs, divide that of slow pairs by `factor`, with a ramp between.

    A fast pair turns more than `beta_fast` times in `original_context`, a slow one fewer than `beta_slow` times.
    `attention_factor` None is the paper's 0.1 ln(factor) + 1. `truncate` rounds the ends of the ramp to whole pairs.
    """

    factor: float = Field(4.0, ge=1)
    original_context: int = Field(4096, gt=0)
    beta_fast: float = Field(32.0, gt=0)
    beta_slow: float = Field(1.0, gt=0)
    attention_factor: float | None = Field(None, gt=0)
    truncate: bool = True

    def scale(self, frequency: Float[Tensor, " R/2"], theta: float) -> Float[Tensor, " R/2"]:
        pairs = len(frequency)
        low, high = self._pair(self.beta_fast, theta, pairs), self._pair(self.beta_slow, theta, pairs)
        if self.truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, 2 * pairs - 1)
        width = high - low or 0.001  # a ramp without width is a step
        ramp = ((torch.arange(pairs, dtype=torch.float32) - low) / width).clamp(0, 1)
        return ramp * frequency / self.factor + (1 - ramp) * frequency

    def _pair(self, turns: float, theta: float, pairs: int) -> float:
        """Return the (fractional) index of the pair that turns so many times in `original_context`."""
        return pairs * math.log(self.original_context / (turns * 2 * math.pi)) / math.log(theta)

    @property
    def magnitude(self) -> float:
        return self.attention_factor or 0.1 * math.log(self.factor) + 1.0


class Llama3(Scaling, kind="llama3"):
    """Divide long wavelengths by `factor`, keep short ones, blend those between (Llama 3.1)."""

    factor: float = Field(8.0, ge=1)
    low_frequency_factor: float = Field(1.0, gt=0)
    high_frequency_factor: float = Field(4.0, gt=0)
    original_context: int = Field(8192, gt=0)

    def scale(self, frequency: Float[Tensor, " R/2"], theta: float) -> Float[Tensor, " R/2"]:
        turns = self.original_context * frequency / (2 * math.pi)
        low, high = self.low_frequency_factor, self.high_frequency_factor
        kept = ((turns - low) / (high - low)).clamp(0, 1)
        return (1 - kept) * frequency / self.factor + kept * frequency


class LongRoPE(Scaling, kind="longrope"):
    """Divide each pair's frequency by its own number: of `long_factor` in a pass beyond `original_context`.

    In a shorter pass it is that of `short_factor`; both have one number for each pair of the rotated width.
    `attention_factor` None is sqrt(1 + ln(factor) / ln(original_context)), or 1 where `factor` is at most 1. Beyond
    that length a KV cache holds keys at the frequencies of their own step.
    """

    factor: float = Field(1.0, gt=0)
    original_context: int = Field(4096, gt=1)
    short_factor: Seq[float] = (1.0,)
    long_factor: Seq[float] = (1.0,)
    attention_factor: float | None = Field(None, gt=0)

    def adapt(self, frequency: Float[Tensor, " R/2"], positions: Int[Tensor, "B T"]) -> Float[Tensor, " R/2"]:
        short, long = (self._factors(factor, frequency) for factor in (self.short_factor, self.long_factor))
        return frequency / torch.where(positions.max() < self.original_context, short, long)

    def _factors(self, factors: tuple[float, ...], frequency: Float[Tensor, " R/2"]) -> Float[Tensor, " R/2"]:
        if len(factors) not in (1, len(frequency)):
            raise ModelError(f"longrope: expected {len(frequency)} factors, one for each pair, found {len(factors)}")
        return torch.tensor(factors, device=frequency.device)

    @property
    def magnitude(self) -> float:
        plain = 1.0 if self.factor <= 1 else math.sqrt(1 + math.log(self.factor) / math.log(self.original_context))
        return self.attention_factor or plain
