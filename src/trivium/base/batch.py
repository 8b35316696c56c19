"""The packed batch: rows of examples as numpy arrays.

Letters: B rows, T positions, N examples. Every attention mask (padding, packing, self, cross) derives from `documents`
and the pattern: 0 is padding, then 1, 2, ... in row order; the same number in `enc` and `dec` is the same example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trivium.base.types import ALIGNED, IGNORE, Example

Array = Any
"""A numpy array in the loader, a torch tensor after `model/device.place`."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The input of one stack: ids, positions and documents, each int64 [B, T].

    `plain` promises that every row is one whole document from its first column to its last, so that a kernel needs no
    mask. Optional, [B, T] too: `types` (BERT's token types), and `prefix` (bool), the part of a document that is
    attended to in both directions. Of pictures `ids` is None: `patches` is float32 [B, T, P] with `places` [B, T, 2],
    row and column.
    """

    ids: Array
    positions: Array
    documents: Array
    plain: bool = False
    types: Array | None = None
    prefix: Array | None = None
    patches: Array | None = None
    places: Array | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """B and T."""
        rows, length = self.documents.shape
        return rows, length


@dataclass(frozen=True, slots=True)
class Batch:
    """One micro-batch: the streams, the targets by name, and the weights of token targets [B, T].

    Targets of positions are [B, T]; those of examples [N, ...], row by row in the order within rows.
    """

    enc: Stream | None
    dec: Stream | None
    targets: dict[str, Array]
    weights: Array | None = None

    @property
    def stream(self) -> Stream:
        """The stream with which the targets are aligned."""
        stream = self.dec if self.dec is not None else self.enc
        assert stream is not None
        return stream

    @property
    def read(self) -> Stream:
        """The same places with the ids of the texts: a decoder beside an encoder of texts has them one place later."""
        if self.enc is None or self.dec is None or self.enc.ids is None:
            return self.stream
        return replace(self.dec, ids=self.enc.ids[:, : self.dec.shape[1]])

    def tokens(self) -> int:
        """Return the number of tokens in all streams, without padding."""
        return sum(int((side.documents > 0).sum()) for side in (self.enc, self.dec) if side is not None)

    def count(self) -> float:
        """Return the sum of weights of all valid targets: the share of this batch in the denominator of the step."""
        for key, target in self.targets.items():
            if key not in ALIGNED:
                return float(len(target))
            valid = target != IGNORE
            return float(valid.sum() if self.weights is None else self.weights[valid].sum())
        return 0.0


def stream(rows: Sequence[Sequence[np.ndarray]], length: int, pad: int) -> Stream:
    """Return the stream of rows of runs of ids, or of patches, each row padded to `length` (ids with `pad`).

    A longer row is an AssertionError.
    """
    patch = next((run.shape[1:] for runs in rows for run in runs), ())
    shape = (len(rows), length, *patch)
    values = np.zeros(shape, dtype=np.float32) if patch else np.full(shape, pad, dtype=np.int64)
    positions = np.zeros((len(rows), length), dtype=np.int64)
    documents = np.zeros((len(rows), length), dtype=np.int64)
    places = np.arange(length)
    for r, runs in enumerate(rows):
        at = 0
        for d, run in enumerate(runs, start=1):
            end = at + len(run)
            assert end <= length, f"row of {end} tokens does not fit {length}"
            values[r, at:end], positions[r, at:end], documents[r, at:end] = run, places[: end - at], d
            at = end
    ids, patches = (None, values) if patch else (values, None)
    return Stream(ids, positions, documents, plain=bool((documents == 1).all()), patches=patches)


def collate(rows: Sequence[Sequence[Example]], pad: int, length: int | None = None, multiple: int = 1) -> Batch:
    """Return rows of examples as one Batch, `length` wide or more: as the longest row, up to a `multiple`.

    `pad` is the id of padding. `length` is the width of the first side that is read, `enc` where there is one.
    """

    def build(side: str, least: int) -> Stream | None:
        runs = [[run for example in row if (run := getattr(example, side)) is not None] for row in rows]
        widest = max((sum(map(len, row)) for row in runs), default=0)
        return stream(runs, -(-max(least, widest) // multiple) * multiple, pad) if widest else None

    enc = build("enc", length or 0)
    dec = build("dec", 0 if enc is not None else length or 0)
    every = [example for row in rows for example in row]
    if dec is not None and any(e.prefix for e in every):
        dec = replace(dec, prefix=dec.positions < _aligned(rows, lambda e: e.prefix, dec.shape, 0))
    if enc is None and dec is None:  # a rank without rows takes part with padding
        enc = dec = stream([[] for _ in rows], length or multiple, pad)
    if any(e.types is not None for e in every):
        assert enc is not None, "token types are an encoder's"
        enc = replace(enc, types=_aligned(rows, lambda e: e.types, enc.shape, 0))
    if enc is not None and enc.patches is not None:
        enc = replace(enc, places=_aligned(rows, lambda e: e.places, (*enc.shape, 2), 0, lambda e: len(e.enc)))
    shape = (dec or enc).shape  # type: ignore[union-attr]
    targets: dict[str, Array] = {}
    for head in sorted({head for example in every for head in example.targets}) or ["token"]:
        if head in ALIGNED:
            targets[head] = _aligned(rows, lambda e: e.targets.get(head), shape, IGNORE)  # noqa: B023
        else:
            targets[head] = np.stack([np.asarray(e.targets[head]) for e in every if head in e.targets])
    weights = None
    if any(e.weights is not None for e in every):
        weights = _aligned(rows, lambda e: e.weights, shape, 1.0)
    return Batch(enc, dec, targets, weights)


def _aligned(
    rows: Sequence[Sequence[Example]],
    values: Callable[[Example], Any],
    shape: tuple[int, ...],
    empty: float,
    length: Callable[[Any], int] = len,
) -> np.ndarray:
    """Return values of positions [B, T, ...], placed where each example is, `empty` elsewhere.

    They are int64 where `empty` is an integer, else float32.
    """
    table = np.full(shape, empty, dtype=np.int64 if isinstance(empty, int) else np.float32)
    for r, row in enumerate(rows):
        at = 0
        for example in row:
            end = at + length(example)
            if (found := values(example)) is not None:
                table[r, at:end] = found
            at = end
    return table
