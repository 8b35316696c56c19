"""Randomness without state: every draw is a pure function of a seed and an address.

Data order, masking noise and packing use these functions, so the state of a loader is two integers and does not depend
on the number of ranks or workers.
"""

from functools import cached_property
from typing import Any, cast

import numpy as np

_ROUNDS = 4
LARGEST = (1 << 63) - 1
"""The largest seed."""


def generator(*address: int) -> np.random.Generator:
    """Return the numpy generator of an address, e.g. (seed, epoch, sample)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(address)))


class _LateGenerator:
    """Makes the generator of an address at the first draw."""

    def __init__(self, address: tuple[int, ...]) -> None:
        self._address = address

    @cached_property
    def _generator(self) -> np.random.Generator:
        return generator(*self._address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)


def late(*address: int) -> np.random.Generator:
    """Return `generator(*address)`, made at the first draw: to make one costs as much as a row of text to encode."""
    return cast(np.random.Generator, _LateGenerator(address))


def mix(*address: int) -> int:
    """Return a 63-bit integer for an address: a plain seed."""
    return int(np.random.SeedSequence(address).generate_state(1, np.uint64)[0] >> np.uint64(1))


def permute(index: np.ndarray, size: int, seed: int, epoch: int) -> np.ndarray:
    """Return where the shuffle of `range(size)` for (seed, epoch) sends each index (int64, the shape of `index`).

    A Feistel network is repeated until its result is inside `size`; no table of `size` entries is made.
    """
    if size <= 1:
        return np.zeros_like(index)
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half) - 1)
    keys = np.random.SeedSequence((seed, epoch)).generate_state(_ROUNDS, np.uint64)

    def once(value: np.ndarray) -> np.ndarray:
        left, right = value >> np.uint64(half), value & mask
        for key in keys:
            noise = (right + key) * np.uint64(0x9E3779B97F4A7C15)
            noise ^= noise >> np.uint64(29)
            noise *= np.uint64(0xBF58476D1CE4E5B9)
            noise ^= noise >> np.uint64(32)
            left, right = right, left ^ (noise & mask)
        return (left << np.uint64(half)) | right

    out = once(np.asarray(index, dtype=np.uint64))
    while (outside := out >= size).any():
        out[outside] = once(out[outside])
    return out.astype(np.int64)
