"""Dedup: which documents say what another one says already.

Exact duplicates share a hash of their normalised text. Near duplicates share one of the bands of a MinHash signature
over runs of words, or of characters where no spaces are written (Broder 1997; bands of rows as in Leskovec et al.).
Two texts whose runs overlap by 72 % meet in a band one time in two; at 85 % nearly always, at 50 % one in twenty.

The answer depends on the set of documents alone, not on their order: the smallest key of a cluster is kept.
Memory: about 200 bytes and the key for each document.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
import xxhash

from trivium.text.shingle import normal
from trivium.text.signature import BATCH_CHARS, Near, signatures

Key = tuple[str, str]
"""(source, id) of a document, which no other has."""


def duplicates(documents: Iterable[tuple[Key, str]], near: Near | None = None) -> dict[Key, str]:
    """Say for each document to be dropped why: "exact duplicate of X", or with `near` also "near duplicate of X"."""
    first: dict[bytes, Key] = {}
    again: list[tuple[Key, bytes]] = []
    bands: dict[bytes, np.ndarray] = {}
    new: list[tuple[bytes, str]] = []

    def sign() -> None:
        """Make the signatures of the texts that are waiting for theirs."""
        if near:
            table, known = signatures([text for _, text in new], near)
            bands.update((digest, row) for (digest, _), row, there in zip(new, table, known, strict=True) if there)
        new.clear()

    waiting = 0
    for key, text in documents:
        text = normal(text)
        digest = xxhash.xxh3_128_digest(text.encode("utf-8", "replace"))
        kept = first.setdefault(digest, key)
        if kept is key:
            new.append((digest, text))
            waiting += len(text)
        else:
            first[digest] = min(key, kept)
            again.append((max(key, kept), digest))
        if waiting >= BATCH_CHARS:
            sign()
            waiting = 0
    sign()
    reasons = {key: f"exact duplicate of {_say(first[digest])}" for key, digest in again}
    hashes = {first[digest]: row for digest, row in bands.items()}
    return reasons | {key: f"near duplicate of {_say(kept)}" for key, kept in clusters(hashes)}


def drop_paragraphs(texts: Iterable[str], longer_than: int = 80) -> Iterator[str]:
    """Yield each text without the paragraphs of more than `longer_than` characters that stood in it or before it.

    What is dropped depends on the order of the texts: the first occurrence stays.
    """
    seen: set[bytes] = set()

    def new(paragraph: str) -> bool:
        if len(paragraph) <= longer_than:
            return True
        digest = xxhash.xxh3_128_digest(normal(paragraph).encode("utf-8", "replace"))
        known = digest in seen
        seen.add(digest)
        return not known

    for text in texts:
        yield "\n\n".join(filter(new, re.split(r"\n\s*\n", text)))


def _say(key: Key) -> str:
    return ":".join(filter(None, key))


def clusters(hashes: dict[Key, np.ndarray]) -> Iterator[tuple[Key, Key]]:
    """(dropped, kept) of all documents that share a band, directly or through others."""
    keys = sorted(hashes)
    parent = list(range(len(keys)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    table = np.array([hashes[key] for key in keys], dtype=np.uint64)
    for band in table.T if keys else []:
        order = np.argsort(band, kind="stable")
        same = np.flatnonzero(band[order[1:]] == band[order[:-1]])
        for a, b in zip(order[same].tolist(), order[same + 1].tolist(), strict=True):
            low, high = sorted((root(a), root(b)))
            parent[high] = low
    for i, key in enumerate(keys):
        if (kept := root(i)) != i:
            yield key, keys[kept]
