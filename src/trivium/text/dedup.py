"""Dedup: which documents say what another one says already.

Exact duplicates share a hash of their normalised text. Near duplicates share one of the bands of a MinHash signature
over runs of words, or of characters where no spaces are written (Broder 1997; bands of rows as in Leskovec et al.).
Two texts whose runs overlap by 72 % meet in a band one time in two; at 85 % nearly always, at 50 % one in twenty.

The answer depends on the set of documents alone, not on their order: the smallest key of a cluster is kept.
Memory: about 200 bytes and the key for each document.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import xxhash

from trivium.base.config import Config
from trivium.text.language import UNSPACED, guess
from trivium.text.shingle import hashed, mix, normal, runs

Key = tuple[str, str]
"""(source, id) of a document, which no other has."""


class Near(Config):
    """How near is near: signatures of bands x rows hashes over runs of so many words."""

    bands: int = 14
    rows: int = 8
    run: int = 5


def duplicates(documents: Iterable[tuple[Key, str]], near: Near | None = None) -> dict[Key, str]:
    """Say for each document to be dropped why: "exact duplicate of X", or with `near` also "near duplicate of X"."""
    first: dict[bytes, Key] = {}
    again: list[tuple[Key, bytes]] = []
    hashes: dict[Key, np.ndarray] = {}
    for key, text in documents:
        text = normal(text)
        digest = xxhash.xxh3_128_digest(text.encode("utf-8", "replace"))
        kept = first.get(digest)
        if kept is None:
            first[digest] = key
            if near and (bands := _bands(text, near)) is not None:
                hashes[key] = bands
        else:
            smaller, larger = min(key, kept), max(key, kept)
            first[digest] = smaller
            again.append((larger, digest))
            if smaller != kept and kept in hashes:
                hashes[smaller] = hashes.pop(kept)
    reasons = {key: f"exact duplicate of {_say(first[digest])}" for key, digest in again}
    return reasons | {key: f"near duplicate of {_say(kept)}" for key, kept in _clusters(hashes)}


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


def signatures(texts: Sequence[str], near: Near) -> tuple[np.ndarray, np.ndarray]:
    """Bands (u64 [texts, bands]) of normal texts, and which texts have any words at all."""
    table = np.zeros((len(texts), near.bands), np.uint64)
    known = np.zeros(len(texts), bool)
    for i, text in enumerate(texts):
        if (bands := _bands(text, near)) is not None:
            table[i], known[i] = bands, True
    return table, known


def _say(key: Key) -> str:
    return ":".join(filter(None, key))


def _bands(text: str, near: Near) -> np.ndarray | None:
    """The hash of each band of a text's signature; None for a text without words."""
    if guess(text) in UNSPACED:
        units = np.frombuffer("".join(re.findall(r"\w", text)).encode("utf-32-le", "replace"), np.uint32)
        units = units.astype(np.uint64)
    else:
        units = hashed(re.findall(r"\w+", text))
    if not len(units):
        return None
    found = np.unique(runs(units, near.run))
    draw = np.random.Generator(np.random.Philox(1)).integers(1, 1 << 63, (2, near.bands * near.rows), dtype=np.uint64)
    signature = np.full(near.bands * near.rows, np.iinfo(np.uint64).max)
    for at in range(0, len(found), 4096):  # in blocks that stay in the cache
        block = found[at : at + 4096]
        for i, (a, b) in enumerate(zip(draw[0] | np.uint64(1), draw[1], strict=True)):
            signature[i] = min(signature[i], (block * a + b).min())
    bands = np.zeros(near.bands, dtype=np.uint64)
    for column in signature.reshape(near.bands, near.rows).T:
        bands = mix(bands + column)
    return bands


def _clusters(hashes: dict[Key, np.ndarray]) -> Iterator[tuple[Key, Key]]:
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
