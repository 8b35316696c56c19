"""Randomness without state: every draw is a pure function of a seed and an address.

Data order, masking noise and packing use these, so a loader's whole state is two integers and does not
depend on how many ranks or workers there are.
"""

from functools import cached_property
from typing import Any, cast

import numpy as np

_ROUNDS = 4


def generator(*address: int) -> np.random.Generator:
    """A numpy generator for one address, e.g. (seed, epoch, sample)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(address)))


class _Late:
    """Stands in for the generator of an address until something is drawn."""

    def __init__(self, address: tuple[int, ...]) -> None:
        self._address = address

    @cached_property
    def _generator(self) -> np.random.Generator:
        return generator(*self._address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)


def late(*address: int) -> np.random.Generator:
    """`generator`, made when first drawn from: it takes as long as a row of text, and many rows draw nothing."""
    return cast(np.random.Generator, _Late(address))


def mix(*address: int) -> int:
    """One 63-bit integer for one address: a seed for something that wants a plain number."""
    return int(np.random.SeedSequence(address).generate_state(1, np.uint64)[0] >> np.uint64(1))


def permute(index: np.ndarray, size: int, seed: int, epoch: int) -> np.ndarray:
    """Where the shuffle of `range(size)` for (seed, epoch) sends each index: a Feistel network, walked
    until it lands inside `size`. No table of `size` entries is ever made.
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
