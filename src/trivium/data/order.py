"""Order: the row of each sample, as a pure function of (seed, sample).

Each epoch is a shuffle of its rows. The shuffle is computed for a block of samples at a time, and the last blocks are
kept.
"""

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from trivium.base.seeds import permute

BLOCK = 1 << 12


class Order:
    """The places of samples 0, 1, 2, ...; `size(epoch)` is the number of rows of an epoch."""

    def __init__(self, size: Callable[[int], int], seed: int) -> None:
        self.size, self.seed = size, seed
        self._starts = [0]
        self._block = lru_cache(maxsize=8)(self._shuffled)

    def locate(self, sample: int) -> tuple[int, int]:
        """Return the (epoch, row) of a sample."""
        while self._starts[-1] <= sample:
            epoch = len(self._starts) - 1
            self._starts.append(self._starts[-1] + self.size(epoch))
        epoch = bisect_right(self._starts, sample) - 1
        block, place = divmod(sample - self._starts[epoch], BLOCK)
        return epoch, self._block(epoch, block).item(place)

    def _shuffled(self, epoch: int, block: int) -> np.ndarray:
        size = self.size(epoch)
        return permute(np.arange(block * BLOCK, min((block + 1) * BLOCK, size)), size, self.seed, epoch)
