"""Dedup: decide over all shards which documents are dropped as duplicates, and which are held out.

Of equal or similar documents the one with the smallest key (source, id) is kept. So decisions depend on the set of
documents alone: not on shards, workers or the order of sources. Memory: the key and about 60 bytes for each document;
signatures are read one band at a time.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import fingerprint
from trivium.base.types import Document
from trivium.corpus.arrays import Arrays, save
from trivium.corpus.dropped import Dropped
from trivium.corpus.duplicates.cluster import alike, repeated, why
from trivium.corpus.table import documents, source_names, split_paragraphs
from trivium.corpus.work import Work

KEPT, DUPLICATE, REPEATED = range(3)


class Tables:
    """The tables of all shards as one, in the order of the documents' keys."""

    def __init__(self, work: Work) -> None:
        self._arrays = work.tables()
        self.facts = [arrays.facts() for arrays in self._arrays]
        names = [source_names(work, shard, facts["names"]) for shard, facts in enumerate(self.facts)]
        self.sources = sorted({name for some in names for name in some})
        rank = {name: at for at, name in enumerate(self.sources)}
        ranks = [np.array([rank[name] for name in some] or [0], np.int64) for some in names]
        self._source = np.concatenate([ranks[s][a["name"]] for s, a in enumerate(self._arrays)])
        self._id = np.concatenate([arrays["id"] for arrays in self._arrays])
        self.first = np.cumsum([0, *(len(arrays["name"]) for arrays in self._arrays)])
        self.order = np.lexsort((self._id, self._source))
        self.rank = np.empty_like(self.order)
        self.rank[self.order] = np.arange(len(self.order))

    def __len__(self) -> int:
        return len(self.order)

    def column(self, name: str) -> np.ndarray:
        """Return a column of all tables [N], in the order of keys."""
        return np.concatenate([arrays[name] for arrays in self._arrays])[self.order]

    def name(self, document: int) -> str:
        """Return the key of a document as people read it."""
        at = self.order[document]
        return ":".join(filter(None, (self.sources[self._source[at]], self._id[at].decode("utf-8", "replace"))))

    def paragraphs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (document [M], number in it [M], hash [M, 2]) of every long paragraph."""
        parts = [arrays["paragraph"] for arrays in self._arrays]
        document = np.concatenate([self.rank[part[:, 0] + at] for part, at in zip(parts, self.first, strict=False)])
        digests = np.concatenate([arrays["paragraph_digest"] for arrays in self._arrays])
        return document, np.concatenate(parts)[:, 1], digests


def find_duplicates(work: Work, shard: int = 0) -> None:
    """Decide which documents are dropped and why, which paragraphs go, and how the rest is split."""
    options, start = work.plan.preparation, time.process_time()
    tables = Tables(work)
    if options.near:
        bands = (tables.column(f"band{i}") for i in range(options.near.bands))
        kept_for, near_to = alike(tables.column("digest"), tables.column("signed"), bands)
    else:
        kept_for, near_to = alike(tables.column("digest"))
    reason = np.where(kept_for < 0, KEPT, DUPLICATE).astype(np.uint8)
    cut = np.empty((0, 2), np.int64)
    if options.paragraphs:
        cut = repeated(*tables.paragraphs(), reason == KEPT)
        gone = np.bincount(cut[:, 0], minlength=len(tables)) == tables.column("paragraphs")
        reason[gone & (reason == KEPT)] = REPEATED
    _write(work, tables, reason, np.stack([kept_for, near_to]), cut, start)


def _write(work: Work, tables: Tables, reason: np.ndarray, like: np.ndarray, cut: np.ndarray, start: float) -> None:
    """Save the decisions by shard, each with its hash, so that one can be encoded without the others."""

    def told(document: int) -> bytes:
        if reason[document] == REPEATED:
            return b"all paragraphs repeated"
        first, near_to = like[:, document].tolist()
        return why(tables.name(first), tables.name(near_to) if near_to >= 0 else None).encode("utf-8", "replace")

    arrays: dict[str, np.ndarray] = {}
    hashes = []
    for shard in range(len(work.plan.shards)):
        low, high = tables.first[shard], tables.first[shard + 1]
        place = tables.rank[low:high]
        local = np.flatnonzero(reason[place] != KEPT)
        reasons = [told(i) for i in place[local].tolist()]
        arrays[f"drop{shard}"] = local
        arrays[f"why{shard}"] = np.array(reasons, "S")
        at = tables.order[cut[:, 0]] - low
        mine = np.stack([at, cut[:, 1]], axis=1)[(at >= 0) & (at < high - low)]
        arrays[f"cut{shard}"] = mine[np.lexsort((mine[:, 1], mine[:, 0]))]
        texts = [text.decode() for text in reasons]
        hashes.append(fingerprint([local.tolist(), texts, arrays[f"cut{shard}"].tolist()]))
    facts = {"hashes": hashes, "documents_in": len(tables), **_split(work, tables, reason == KEPT)}
    facts["seconds"] = round(time.process_time() - start, 2)
    save(work.dedup_file(), facts, **arrays)


def _split(work: Work, tables: Tables, kept: np.ndarray) -> dict[str, object]:
    """Return how the kept documents are split, and the bytes that the tokenizer can be trained on."""
    share = work.plan.preparation.valid_share
    count, read = int(kept.sum()), sum(facts["flow"]["read"][0] for facts in tables.facts)
    if not count:
        dropped = sum((Counter(facts["dropped"]) for facts in tables.facts), Counter())
        reasons = "".join(f"; {name}: {n}" for name, n in dropped.items())
        raise DataError(f"{', '.join(work.plan.sources)}: no document left of {read}{reasons}")
    held = kept & held_out(tables.column("address"), share)
    way = "by document"
    if not share:
        way = "none"
    elif count == 1:
        way = "one document, cut at a line end"
    elif (held == kept).all():
        way, held = "none", held & False
    size = tables.column("bytes")
    return {"split": way, "documents_out": count, "train_bytes": int(size[kept & ~held].sum())}


def held_out(address: np.ndarray, share: float) -> np.ndarray:
    """Return which documents are held out (bool [N]): by a hash of their place, independent of all others."""
    return address.astype(np.float64) < share * 2.0**64


def kept(work: Work, shard: int, dropped: Dropped) -> Iterator[tuple[str, int, Document]]:
    """Yield (split, number in its shard, document) of all that is left of a shard; the rest goes to `dropped`."""
    decided = Arrays(work.dedup_file())
    way = decided.facts()["split"]
    drop = dict(zip(decided[f"drop{shard}"].tolist(), decided[f"why{shard}"].tolist(), strict=True))
    cut: dict[int, set[int]] = {}
    for at, number in decided[f"cut{shard}"].tolist():
        cut.setdefault(at, set()).add(number)
    share = work.plan.preparation.valid_share
    held = held_out(Arrays(work.read_file(shard))["address"], share).tolist()
    for at, document in enumerate(documents(work, shard)):
        if (found := drop.get(at)) is not None:
            detail = found.decode("utf-8", "replace")
            dropped.add(document, detail.split(" of ")[0], detail)
            continue
        if at in cut:
            left = [text for i, text in enumerate(split_paragraphs(document.text)) if i not in cut[at]]
            document = replace(document, text="\n\n".join(left))
        end = len(document.text)
        if way.startswith("one document"):  # its end is held out
            end = document.text.rfind("\n", 0, int(end * (1 - share))) + 1 or end
        split = "valid" if way == "by document" and held[at] else "train"
        yield split, at, replace(document, text=document.text[:end])
        if end < len(document.text):
            yield "valid", at, replace(document, text=document.text[end:])
