"""Sparse attention patterns: by block, stride or chance, or for a few tokens only.

Combine them: Longformer is `window | global`, BigBird `window | global | random`, a decoder takes `causal & ...`.

Dilated and global: Beltagy et al. 2020, Longformer (arXiv:2004.05150). Random: Zaheer et al. 2020, BigBird
(arXiv:2007.14062). Strided and fixed: Child et al. 2019, Sparse Transformer (arXiv:1904.10509).
"""

from functools import reduce
from operator import or_
from typing import Self

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from trivium.base.config import Seq
from trivium.model.attention.pattern import KeyRange, Nearby, Pattern, Where


class Dilated(Nearby, kind="dilated"):
    """Every `step`-th of the past tokens, `size` of them with the token itself; with `both`, as many later ones."""

    size: int = Field(64, gt=0)
    step: int = Field(4, gt=0)

    @property
    def span(self) -> int:
        return (self.size - 1) * self.step + 1

    def allow(self, q: Where, k: Where) -> Tensor:
        return super().allow(q, k) & ((q.position - k.position) % self.step == 0)

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        return super().reach(q, k) & _multiple(self.step, q.low - k.high, q.high - k.low)


class Global(Pattern, kind="global"):
    """The tokens at these positions of a document attend to all of it, and all of it to them."""

    tokens: Seq[int] = Field((0,), min_length=1)

    @field_validator("tokens")
    @classmethod
    def _positions(cls, tokens: tuple[int, ...]) -> tuple[int, ...]:
        if min(tokens) < 0:
            raise ValueError(f"expected positions from 0 on, found {min(tokens)}")
        return tokens

    def allow(self, q: Where, k: Where) -> Tensor:
        return self._among(q.position, q.position) | self._among(k.position, k.position)

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        return self._among(q.low, q.high) | self._among(k.low, k.high)

    def _among(self, low: Tensor, high: Tensor) -> Tensor:
        """Return whether a chosen position is in [low, high]; point by point, for a compiled kernel traces it."""
        return reduce(or_, ((low <= token) & (token <= high) for token in self.tokens))


class BlockSparse(Pattern, kind="block"):
    """Blocks of `size` tokens of a document: each token attends to its own block."""

    size: int = Field(256, gt=0)

    def allow(self, q: Where, k: Where) -> Tensor:
        return q.position // self.size == k.position // self.size

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        return (q.low // self.size <= k.high // self.size) & (k.low // self.size <= q.high // self.size)

    def cover(self, q: KeyRange, k: KeyRange) -> Tensor:
        return torch.minimum(q.low, k.low) // self.size == torch.maximum(q.high, k.high) // self.size

    @property
    def keep(self) -> int | None:
        return self.size - 1


class Random(Pattern, kind="random"):
    """Each block of `block` tokens attends to `count` random earlier blocks, and they to it.

    The draw depends on the seed and the number of the block only, so packing and caching change nothing. One block is
    drawn from each of `count` equal parts of the past, so no two are the same.
    """

    block: int = Field(64, gt=0)
    count: int = Field(3, gt=0)
    seed: int = Field(0, ge=0)

    def allow(self, q: Where, k: Where) -> Tensor:
        q_block, k_block = q.position // self.block, k.position // self.block
        return self._drawn(q_block, k_block, k_block) | self._drawn(k_block, q_block, q_block)

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        q_low, q_high, k_low, k_high = (edge // self.block for edge in (q.low, q.high, k.low, k.high))

        def any_drawn(low: Tensor, high: Tensor, first: Tensor, last: Tensor) -> Tensor:
            widest = max(int((high - low).max()), 0)
            return reduce(or_, (self._drawn((low + i).minimum(high), first, last) for i in range(widest + 1)))

        return any_drawn(q_low, q_high, k_low, k_high) | any_drawn(k_low, k_high, q_low, q_high)

    def _drawn(self, block: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """Return whether a block drew one of the blocks in [first, last]."""
        drawn = []
        for part in range(self.count):
            low, high = part * block // self.count, (part + 1) * block // self.count
            pick = low + _hash(self.seed, part, block) % (high - low).clamp(min=1)
            drawn.append((high > low) & (first <= pick) & (pick <= last))
        return reduce(or_, drawn)


class Strided(Pattern, kind="strided"):
    """The last `stride` tokens, and every `stride`-th before them: two layers connect any two tokens."""

    stride: int = Field(128, gt=0)

    def allow(self, q: Where, k: Where) -> Tensor:
        distance = q.position - k.position
        return (distance >= 0) & ((distance < self.stride) | (distance % self.stride == 0))

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        nearest, farthest = q.low - k.high, q.high - k.low
        return (farthest >= 0) & ((nearest < self.stride) | _multiple(self.stride, nearest, farthest))


class Fixed(Pattern, kind="fixed"):
    """The token's own block of `stride` tokens up to itself, and the last `summary` tokens of every earlier block."""

    stride: int = Field(128, gt=0)
    summary: int = Field(8, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.summary > self.stride:
            raise ValueError(f"summary {self.summary}: expected at most stride, {self.stride}")
        return self

    def allow(self, q: Where, k: Where) -> Tensor:
        own = q.position // self.stride == k.position // self.stride
        return (k.position <= q.position) & (own | (k.position % self.stride >= self.stride - self.summary))

    def reach(self, q: KeyRange, k: KeyRange) -> Tensor:
        own = q.low // self.stride <= k.high // self.stride
        # the last summary position up to k.high
        ends = k.high % self.stride >= self.stride - self.summary
        last = torch.where(ends, k.high, k.high // self.stride * self.stride - 1)
        return (k.low <= q.high) & (own | (last >= k.low))


def _multiple(step: int, low: Tensor, high: Tensor) -> Tensor:
    """Return whether a multiple of `step` is in [low, high]."""
    return high // step * step >= low


def _hash(seed: int, part: int, number: Tensor) -> Tensor:
    """Return a pseudo-random number in [0, 2^31) for each number: the last steps of murmur3, in 64-bit arithmetic."""
    x = (number * 0x9E3779B1 + (seed * 0x85EBCA6B + part * 0xC2B2AE35 + 0x27D4EB2F & 0xFFFFFFFF)) & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = ((x ^ (x >> shift)) * factor) & 0xFFFFFFFF
    return (x ^ (x >> 16)) & 0x7FFFFFFF
