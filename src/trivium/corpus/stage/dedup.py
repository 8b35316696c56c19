"""Dedup: decide over all shards which documents are dropped because another one has the same text.

Reduce the tables that `read` left. Of documents that are alike keep the one with the smallest key (source, id), so the
decisions depend on the set of documents alone: not on shards, workers or the order of sources. What alike means is told
in `corpus/duplicates`. Memory: the key and about 60 bytes for each document; signatures are read a band at a time.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import fingerprint
from trivium.base.types import Document
from trivium.corpus.dropped import Dropped
from trivium.corpus.duplicates.cluster import clusters, exact, repeated
from trivium.corpus.plan import Arrays, Work, save
from trivium.corpus.stage.read import rows, source_names, split_paragraphs

KEPT, EXACT, NEAR, REPEATED = range(4)
WHY = {EXACT: "exact duplicate of", NEAR: "near duplicate of", REPEATED: "all paragraphs repeated"}


class Tables:
    """The tables of all shards as one, in the order of the documents' keys."""

    def __init__(self, work: Work) -> None:
        keys = work.plan.read_keys
        self._arrays = [Arrays(work.file("read", key, shard)) for shard, key in enumerate(keys)]
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
        """A column of all tables, by the order of keys."""
        return np.concatenate([arrays[name] for arrays in self._arrays])[self.order]

    def say(self, document: int) -> str:
        """The key of a document as people read it."""
        at = self.order[document]
        return ":".join(filter(None, (self.sources[self._source[at]], self._id[at].decode("utf-8", "replace"))))

    def paragraphs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(document, number in it, hash) of every long paragraph."""
        parts = [(arrays["paragraph"], arrays["paragraph_digest"]) for arrays in self._arrays]
        document = np.concatenate(
            [self.rank[part[:, 0] + at] for (part, _), at in zip(parts, self.first, strict=False)]
        )
        number = np.concatenate([part[:, 1] for part, _ in parts])
        return document, number, np.concatenate([digest for _, digest in parts])


def decide(work: Work, shard: int = 0) -> None:
    """Decide about all documents: which are dropped and why, which paragraphs go, how the rest is held out."""
    plan, start = work.plan, time.process_time()
    tables = Tables(work)
    kept_for = exact(tables.column("digest"))
    reason = np.where(kept_for >= 0, EXACT, KEPT).astype(np.uint8)
    if plan.preparation.near:
        signed = tables.column("signed") & (kept_for < 0)
        near = clusters(signed, (tables.column(f"band{i}") for i in range(plan.preparation.near.bands)))
        reason[near >= 0] = NEAR
        kept_for = np.where(near >= 0, near, kept_for)
    cut = np.empty((0, 2), np.int64)
    if plan.preparation.paragraphs:
        cut = repeated(*tables.paragraphs(), reason == KEPT)
        gone = np.bincount(cut[:, 0], minlength=len(tables)) == tables.column("paragraphs")
        reason[gone & (reason == KEPT)] = REPEATED
    _write(work, tables, reason, kept_for, cut, start)


def _write(work: Work, tables: Tables, reason: np.ndarray, kept_for: np.ndarray, cut: np.ndarray, start: float) -> None:
    """Keep the decisions by shard, each with its hash, so that one may be encoded without the others."""
    arrays: dict[str, np.ndarray] = {}
    hashes = []
    for shard in range(len(work.plan.shards)):
        low, high = tables.first[shard], tables.first[shard + 1]
        place = tables.rank[low:high]
        local = np.flatnonzero(reason[place] != KEPT)
        why = [_why(int(reason[i]), int(kept_for[i]), tables).encode("utf-8", "replace") for i in place[local]]
        arrays[f"drop{shard}"] = local
        arrays[f"why{shard}"] = np.array(why, "S") if why else np.empty(0, "S1")
        at = tables.order[cut[:, 0]] - low
        mine = np.stack([at, cut[:, 1]], axis=1)[(at >= 0) & (at < high - low)]
        arrays[f"cut{shard}"] = mine[np.lexsort((mine[:, 1], mine[:, 0]))]
        hashes.append(fingerprint([local.tolist(), [text.decode() for text in why], arrays[f"cut{shard}"].tolist()]))
    facts = {"hashes": hashes, "documents_in": len(tables), **_split(work, tables, reason == KEPT)}
    facts["seconds"] = round(time.process_time() - start, 2)
    save(work.file("dedup", work.plan.dedup_key), facts, **arrays)


def _why(reason: int, kept_for: int, tables: Tables) -> str:
    return WHY[reason] if reason == REPEATED else f"{WHY[reason]} {tables.say(kept_for)}"


def _split(work: Work, tables: Tables, kept: np.ndarray) -> dict[str, object]:
    """How the documents that are kept are divided, and how much text the tokenizer may learn from."""
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
    """Which documents are held out: by a hash of their place, so that it never depends on the others."""
    return address.astype(np.float64) < share * 2.0**64


def decisions(work: Work) -> Arrays:
    """The file of what was decided."""
    return Arrays(work.file("dedup", work.plan.dedup_key))


def kept(work: Work, shard: int, dropped: Dropped) -> Iterator[tuple[str, int, Document]]:
    """(split, number in its shard, document) of all that is left of a shard; the rest goes to `dropped`."""
    decided = decisions(work)
    way = decided.facts()["split"]
    drop = dict(zip(decided[f"drop{shard}"].tolist(), decided[f"why{shard}"].tolist(), strict=True))
    cut: dict[int, set[int]] = {}
    for at, number in decided[f"cut{shard}"].tolist():
        cut.setdefault(at, set()).add(number)
    share = work.plan.preparation.valid_share
    held = held_out(Arrays(work.file("read", work.plan.read_keys[shard], shard))["address"], share).tolist()
    for at, document in enumerate(rows(work, shard)):
        if (found := drop.get(at)) is not None:
            why = found.decode("utf-8", "replace")
            dropped.add(document, why.split(" of ")[0], why)
            continue
        if at in cut:
            left = [text for i, text in enumerate(split_paragraphs(document.text)) if i not in cut[at]]
            document = replace(document, text="\n\n".join(left))
        if way.startswith("one document"):
            yield from _halves(at, document, share)
        else:
            yield "valid" if way == "by document" and held[at] else "train", at, document


def _halves(at: int, document: Document, share: float) -> Iterator[tuple[str, int, Document]]:
    """A document cut in two at a line end: the last part is held out."""
    end = document.text.rfind("\n", 0, int(len(document.text) * (1 - share))) + 1
    if not end:
        yield "train", at, document
        return
    yield "train", at, replace(document, text=document.text[:end])
    yield "valid", at, replace(document, text=document.text[end:])
