"""Dedup: which documents say what another one says already.

Exact duplicates share a hash of their normalised text. Near duplicates share one of the bands of a MinHash signature
over runs of words, or of characters where no spaces are written (Broder 1997; bands of rows as in Leskovec et al.).
Two texts whose runs overlap by 72 % meet in a band one time in two; at 85 % nearly always, at 50 % one in twenty.

Documents are told by columns of numbers in the order of their keys, of which the smallest of a cluster is kept: so the
answer depends on the set of documents alone. It refuses to know where the columns come from.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import xxhash

from trivium.corpus.duplicates.shingle import normal
from trivium.corpus.duplicates.signature import BATCH_CHARS, Near, signatures

Key = tuple[str, str]
"""(source, id) of a document, which no other has."""


def duplicates(documents: Iterable[tuple[Key, str]], near: Near | None = None) -> dict[Key, str]:
    """Say for each document to be dropped why: "exact duplicate of X", or with `near` also "near duplicate of X".

    Memory: the key and about 200 bytes for each document.
    """
    keys: list[Key] = []
    digests: list[bytes] = []
    signed: list[tuple[np.ndarray, np.ndarray]] = []
    held: list[str] = []
    chars = 0
    for key, text in documents:
        keys.append(key)
        held.append(normal(text))
        digests.append(digest(held[-1]))
        chars += len(text)
        if chars >= BATCH_CHARS:
            signed += [signatures(held, near)] if near else []
            held, chars = [], 0
    order = sorted(range(len(keys)), key=keys.__getitem__)
    first = exact(pairs(digests)[order])
    reasons = dict.fromkeys(np.flatnonzero(first >= 0).tolist(), "exact")
    if near:
        signed.append(signatures(held, near))
        bands, known = (np.concatenate(column)[order] for column in zip(*signed, strict=True))
        alike = clusters(known & (first < 0), iter(bands.T))
        reasons |= dict.fromkeys(np.flatnonzero(alike >= 0).tolist(), "near")
        first = np.where(alike >= 0, alike, first)
    return {keys[order[i]]: f"{how} duplicate of {say(keys[order[first[i]]])}" for i, how in reasons.items()}


def digest(text: str) -> bytes:
    """What texts that are the same have in common."""
    return xxhash.xxh3_128_digest(text.encode("utf-8", "replace"))


def pairs(digests: list[bytes]) -> np.ndarray:
    """Digests as a column of two numbers (u64) each."""
    return np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)


def say(key: Key) -> str:
    """A key as people read it."""
    return ":".join(filter(None, key))


def exact(digest: np.ndarray) -> np.ndarray:
    """For each document the first with the same hash, or -1 if it is the first."""
    order = np.lexsort((digest[:, 1], digest[:, 0]))
    same = np.zeros(len(order), bool)
    same[1:] = (digest[order[1:]] == digest[order[:-1]]).all(axis=1)
    first = order[np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))] if len(order) else order
    found = np.full(len(order), -1)
    found[order[same]] = first[same]
    return found


def clusters(signed: np.ndarray, bands: Iterator[np.ndarray]) -> np.ndarray:
    """For each document the first of those it shares a band with, directly or through others, or -1."""
    parent: dict[int, int] = {}  # of those alone that are not their own: most documents have no like

    def root(i: int) -> int:
        while (above := parent.get(i, i)) != i:
            parent[i] = i = parent.get(above, above)
        return i

    index = np.flatnonzero(signed)
    for column in bands:
        band = column[index]
        order = np.argsort(band, kind="stable")
        same = np.flatnonzero(band[order[1:]] == band[order[:-1]])
        for a, b in zip(index[order[same]].tolist(), index[order[same + 1]].tolist(), strict=True):
            low, high = sorted((root(a), root(b)))
            if low != high:
                parent[high] = low
    found = np.full(len(signed), -1)
    for i in list(parent):
        found[i] = root(i)
    return found


def repeated(document: np.ndarray, number: np.ndarray, digest: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The (document, number) of every paragraph of kept documents that stood in one before, or in the same before."""
    here = np.flatnonzero(kept[document])
    document, number, digest = document[here], number[here], digest[here]
    order = np.lexsort((number, document, digest[:, 1], digest[:, 0]))
    again = np.zeros(len(order), bool)
    again[1:] = (digest[order[1:]] == digest[order[:-1]]).all(axis=1)
    return np.stack([document[order[again]], number[order[again]]], axis=1).astype(np.int64).reshape(-1, 2)
