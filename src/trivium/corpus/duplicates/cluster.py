"""Clusters of duplicates: which documents repeat another one.

Exact duplicates share a hash of their normalised text. Near duplicates share a band of a MinHash signature over runs of
words, or of characters where no spaces are written (Broder 1997; bands of rows as in Leskovec et al.). Two texts whose
runs overlap by 72 % share a band with probability one half; at 85 % nearly always, at 50 % one time in twenty.

Documents are columns of numbers in the order of their keys, and the smallest key of a cluster is kept. So the result
depends on the set of documents alone.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import xxhash


def why(first: str, neighbour: str | None) -> str:
    """Return why a duplicate is dropped: the document it is near to if not equal, and the one that is kept for it."""
    if neighbour is None:
        return f"exact duplicate of {first}"
    return f"near duplicate of {neighbour}" + ("" if neighbour == first else f", and both of {first}, which is kept")


def digest(text: str) -> bytes:
    """Return the hash that equal texts share."""
    return xxhash.xxh3_128_digest(text.encode("utf-8", "replace"))


def pairs(digests: list[bytes]) -> np.ndarray:
    """Return N digests as a column of two numbers each (u64 [N, 2])."""
    return np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)


def alike(
    digest: np.ndarray, signed: np.ndarray | None = None, bands: Iterable[np.ndarray] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each document [N] the document that is kept for it, or -1; and the one that it is near to, or -1.

    Near duplicates are looked for where `signed` [N] tells which documents have `bands`, columns [N] each.
    """
    first = exact(digest)
    if signed is None:
        return first, np.full(len(first), -1)
    near, neighbour = clusters(signed & (first < 0), iter(bands))
    return np.where(near >= 0, near, first), neighbour


def exact(digest: np.ndarray) -> np.ndarray:
    """Return for each document [N] the first with the same hash, or -1 if it is the first."""
    order = np.lexsort((digest[:, 1], digest[:, 0]))
    same = np.zeros(len(order), bool)
    same[1:] = (digest[order[1:]] == digest[order[:-1]]).all(axis=1)
    first = order[np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))] if len(order) else order
    found = np.full(len(order), -1)
    found[order[same]] = first[same]
    return found


def clusters(signed: np.ndarray, bands: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return for each document [N] the first that it shares a band with, directly or through others, or -1.

    The second array holds the first that it shares a band with directly.
    """
    parent: dict[int, int] = {}  # only of documents with a parent: most have none

    def root(i: int) -> int:
        while (above := parent.get(i, i)) != i:
            parent[i] = i = parent.get(above, above)
        return i

    index = np.flatnonzero(signed)
    before: dict[int, int] = {}
    behind: dict[int, int] = {}
    for column in bands:
        band = column[index]
        order = np.argsort(band, kind="stable")
        same = np.flatnonzero(band[order[1:]] == band[order[:-1]])
        head = last = -1
        for a, b in zip(index[order[same]].tolist(), index[order[same + 1]].tolist(), strict=True):
            head, last = head if a == last else a, b  # the first of all that have this band
            before[b] = min(before.get(b, head), head)
            behind.setdefault(a, b)
            low, high = sorted((root(a), root(b)))
            if low != high:
                parent[high] = low
    found, neighbour = np.full(len(signed), -1), np.full(len(signed), -1)
    for i in list(parent):
        found[i], neighbour[i] = root(i), before[i] if i in before else behind[i]
    return found, neighbour


def repeated(document: np.ndarray, number: np.ndarray, digest: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return (document, number) [M, 2] of every paragraph of a kept document that occurred before, in any."""
    order = np.lexsort((number, document))
    order = order[kept[document[order]]]
    again = order[exact(digest[order]) >= 0]
    return np.stack([document[again], number[again]], axis=1).astype(np.int64)
