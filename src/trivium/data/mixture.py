"""Mixture: rows of several sources in given shares.

An epoch has as many rows as all sources together. Each source has its share of them, exact to a row, and goes on where
it stopped in the epoch before: a small source with a large weight repeats, each time in another order, and a large one
with a small weight is read over several epochs. The row at a place depends on (seed, epoch, index) alone, so the order
is the same for any number of ranks, and resuming needs no state.
"""

from collections.abc import Sequence

import numpy as np

from trivium.base.errors import DataError
from trivium.base.seeds import mix
from trivium.base.types import Example
from trivium.data.loader import Order
from trivium.data.rows import Rows


def shares(weights: Sequence[float], total: int) -> np.ndarray:
    """Divide `total` rows by weight; rows left after rounding down go to the largest remainders."""
    wanted = np.array(weights, dtype=np.float64) / sum(weights) * total
    counts = np.floor(wanted).astype(np.int64)
    # Equal remainders go by place, so that the result is the same everywhere.
    order = np.argsort(-(wanted - counts).round(9), kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts


class Mixture:
    """Rows of `sources` by `weights`; without weights, every row of each source once per epoch.

    Raises DataError for weights that do not fit the sources, and for sources with rows of different lengths.
    """

    def __init__(self, sources: Sequence[Rows], weights: Sequence[float] = (), seed: int = 0) -> None:
        sizes = [rows.size(0) for rows in sources]
        if weights and (len(weights) != len(sources) or min(weights) <= 0):
            raise DataError(f"weights: expected {len(sources)} numbers above 0, one for each source, found {weights}")
        if len({rows.length for rows in sources}) != 1:
            raise DataError("sources of a mixture: expected rows of one length")
        self.sources, self.length = sources, sources[0].length
        self.counts = shares(weights or sizes, sum(sizes))
        if not self.counts.all():
            empty = int(np.flatnonzero(self.counts == 0)[0])
            raise DataError(f"weights: {weights[empty]} for source {empty + 1} is less than one row in {sum(sizes)}")
        self._first = np.concatenate([[0], np.cumsum(self.counts)])
        self._orders = [Order(rows.size, mix(seed, number)) for number, rows in enumerate(sources)]

    def size(self, epoch: int) -> int:
        return int(self._first[-1])

    def place(self, epoch: int, index: int) -> tuple[int, int, int]:
        """Return (source, its epoch, its row) of a row of the mixture."""
        source = int(np.searchsorted(self._first, index, side="right")) - 1
        sample = epoch * int(self.counts[source]) + index - int(self._first[source])
        return source, *self._orders[source].locate(sample)

    def row(self, epoch: int, index: int) -> list[Example]:
        source, own, row = self.place(epoch, index)
        return self.sources[source].row(own, row)

    def origins(self, epoch: int, index: int) -> list[str]:
        source, own, row = self.place(epoch, index)
        return self.sources[source].origins(own, row)
