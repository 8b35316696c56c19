"""Suffix arrays of the training shards: where does a run of ids stand verbatim?

    train-00000.sfx     the places of a shard's ids in the order of what follows them, up to the end of the document
    suffixes.json       for each such file, its hash and that of the shard's ids

A suffix array is made once for each shard (Manber and Myers 1993, doi:10.1137/0222058), and is memory-mapped: a query
is a binary search. Its maker is `pydivsufsort` of the extra `trace`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import read_json, write_json, writing, xxh3
from trivium.base.integrity import TAKE, changed
from trivium.base.plugin import extra
from trivium.data.shards import Corpus, Shard

INDEX = "suffixes.json"


class Run(NamedTuple):
    """A run of ids of a text that stands in the data, and that no longer run holds."""

    start: int
    """Its first id in the text."""
    length: int
    times: int
    """How often it stands in the data."""
    places: list[tuple[int, int]]
    """Some of its places: a document, and its first id there."""


def build(folder: str | Path) -> int:
    """Make the suffix arrays of the training shards of a data folder that are not there; return how many were made.

    It takes about 24 bytes of memory for each id of the largest shard. DataError without `pydivsufsort`.
    """
    corpus, made = Corpus(folder, "train"), 0
    known = _known(corpus)
    for shard in corpus.shards:
        tok, path = corpus.hashes[shard.path.name], shard.path.with_suffix(".sfx")
        if path.name in known and known[path.name]["ids"] == tok and path.is_file():
            continue
        places = sort(shard)
        with writing(path) as handle:
            handle.write(places.tobytes())
        known[path.name], made = {"ids": tok, "xxh3_128": xxh3(path)}, made + 1
        write_json(corpus.folder / INDEX, known)
    return made


def sort(shard: Shard) -> np.ndarray:
    """Return the places of a shard's ids in the order of their suffixes; uint32 where that is enough, else uint64."""
    divsufsort = extra("pydivsufsort", "an index of suffixes").divsufsort
    # A document ends with a 0 and its ids are raised by one, so that no run goes on into the next document.
    ends = shard.offsets[1:]
    text = np.insert(shard.tokens.astype(np.uint32) + 1, ends, 0)
    found = divsufsort(text)
    found = found[text[found] != 0]
    found -= np.searchsorted(ends + np.arange(len(ends)), found, side="right").astype(found.dtype)
    return found.astype("<u4" if len(shard.tokens) < 1 << 32 else "<u8")


class Suffixes:
    """The suffix arrays of a data folder, memory-mapped. A DataError where one is missing or of other data."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        known = _known(corpus)
        self._arrays: list[np.ndarray] = []
        for shard in corpus.shards:
            path, tok = shard.path.with_suffix(".sfx"), corpus.hashes[shard.path.name]
            if known.get(path.name, {}).get("ids") != tok or not path.is_file():
                raise DataError(
                    f"{path}: expected the index of these data, found {'another one' if path.is_file() else 'none'}; "
                    f"make it with `trivium prepare SOURCE -o {corpus.folder} --index`, the sources as before"
                )
            if changed(corpus.folder, {path.name: known[path.name]["xxh3_128"]}) is not None:
                raise DataError(f"{path}: expected the index that was made, found another content; {TAKE}")
            size = "<u4" if len(shard.tokens) < 1 << 32 else "<u8"
            self._arrays.append(np.memmap(path, size, "r").view(np.ndarray) if len(shard.tokens) else np.empty(0, size))

    def runs(self, ids: Sequence[int], least: int = 1, most_places: int = 1) -> list[Run]:
        """Return the runs of `ids` that stand in the data, in the order of the text.

        A run has at least `least` ids, and is not part of a longer one of the text. At most `most_places` places of
        each are given.
        """
        ids, found, end = list(ids), [], 0
        for start in range(len(ids)):
            length = max((self._longest(at, ids[start:]) for at in range(len(self._arrays))), default=0)
            if length >= least and start + length > end:
                end = start + length
                found.append(Run(start, length, *self._places(ids[start:end], most_places)))
        return found

    def _longest(self, number: int, ids: list[int]) -> int:
        """Return how many of the first ids stand in a shard."""
        shard, places = self.corpus.shards[number], self._arrays[number]
        at = self._search(number, ids, False)
        beside = (places.item(one) for one in (at - 1, at) if 0 <= one < len(places))
        return max((_common(_following(shard, place, len(ids)), ids) for place in beside), default=0)

    def _places(self, ids: list[int], most: int) -> tuple[int, list[tuple[int, int]]]:
        """Return how often ids stand in the data, and some of the places."""
        count, found = 0, list[tuple[int, int]]()
        for number, (shard, places) in enumerate(zip(self.corpus.shards, self._arrays, strict=True)):
            first, last = self._search(number, ids, False), self._search(number, ids, True)
            count += last - first
            for place in sorted(places[first : min(last, first + most - len(found))].tolist()):
                local = int(np.searchsorted(shard.offsets, place, side="right")) - 1
                found.append((shard.first + local, place - shard.offsets.item(local)))
        return count, found

    def _search(self, number: int, ids: list[int], behind: bool) -> int:
        """Return the first suffix of a shard that is not less than ids, or with `behind` that does not begin so."""
        shard, places = self.corpus.shards[number], self._arrays[number]
        low, high = 0, len(places)
        while low < high:
            middle = (low + high) // 2
            other = _following(shard, places.item(middle), len(ids))
            if other < ids or (behind and other == ids):
                low = middle + 1
            else:
                high = middle
        return low


def _following(shard: Shard, place: int, count: int) -> list[int]:
    """Return up to `count` ids from a place on, to the end of its document."""
    end = shard.offsets.item(int(np.searchsorted(shard.offsets, place, side="right")))
    return shard.tokens[place : min(place + count, end)].tolist()  # type: ignore[no-any-return]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many ids two runs have in common at their beginning."""
    return next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )


def _known(corpus: Corpus) -> dict[str, Any]:
    path = corpus.folder / INDEX
    return read_json(path) if path.is_file() else {}


def covered(runs: Sequence[Run]) -> Iterator[tuple[int, int]]:
    """Yield the parts of a text that runs cover, as [start, end)."""
    start = end = 0
    for run in runs:
        if run.start > end:
            if end > start:
                yield start, end
            start = run.start
        end = max(end, run.start + run.length)
    if end > start:
        yield start, end
