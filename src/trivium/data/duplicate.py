"""Duplicate: what of all shards together goes because another document says it already.

The one reduce over the tables that `collect` left. Of documents that are alike the one with the smallest key (source,
id) stays, so the decisions depend on the set of documents alone: not on shards, workers or the order of sources. What
alike means is `text.dedup`'s. Memory: the key and about 60 bytes for each document; signatures are read a band at a
time. It refuses to read any text.
"""

import time
from collections import Counter

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import fingerprint
from trivium.data.collect import source_names
from trivium.data.plan import Arrays, Work, save
from trivium.text.dedup import clusters, exact, repeated

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
