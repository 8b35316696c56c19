"""Encode: turn the documents that are left of each shard into ids, in token shards of both splits."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from trivium.base.files import fingerprint, read_json
from trivium.base.types import Document
from trivium.corpus.dropped import Dropped
from trivium.corpus.plan import Arrays, Work, save
from trivium.corpus.stage.dedup import decisions, kept
from trivium.corpus.stage.read import packed
from trivium.corpus.stage.tokenizer import made, tokenizer_file
from trivium.data.shards import ShardWriter

BATCH_DOCUMENTS = 512
"""Documents that are encoded in one call ..."""
BATCH_CHARS = 4 << 20
"""... or fewer, where they are long."""


def encode_key(work: Work, shard: int) -> str:
    """What the ids of a shard depend on: its documents, what was decided about them, the tokenizer."""
    plan = work.plan
    decided = decisions(work).facts()
    tokenizer = read_json(tokenizer_file(work))["identity"]
    split = [decided["split"], plan.preparation.valid_share, plan.keep_dropped is not None]
    return fingerprint([plan.read_keys[shard], decided["hashes"][shard], split, tokenizer])


def encode(work: Work, shard: int) -> None:
    """Encode what is left of a shard into token shards of the training and the held-out split."""
    start, key = time.process_time(), encode_key(work, shard)
    tokenizer, dropped = made(work), Dropped()
    languages: dict[str, Counter[str]] = {}
    writers = {
        split: ShardWriter(work.folder, work.file(split, key, shard, "").name, tokenizer.vocabulary.size)
        for split in ("train", "valid")
    }
    names = Arrays(work.file("read", work.plan.read_keys[shard], shard))["name"].tolist()
    with ExitStack() as files:
        if work.plan.keep_dropped is not None:
            dropped.handle = files.enter_context(packed(work.file("again", key, shard, ".jsonl.zst")))
        for writer in writers.values():
            files.enter_context(writer)
        for split, batch in _batches(kept(work, shard, dropped)):
            texts = [document.text for _, document in batch]
            ids, offsets = tokenizer.encode_batch(texts)
            sizes = [len(text.encode()) for text in texts]
            writers[split].add(ids, offsets, sum(sizes), [(names[at], document.id) for at, document in batch])
            for (_, document), size, length in zip(batch, sizes, np.diff(offsets.astype(np.int64)), strict=True):
                found = languages.setdefault(document.meta["language"], Counter(documents=0, bytes=0, tokens=0))
                found.update(documents=1, bytes=size, tokens=int(length))
    facts = {
        "lines": {split: writer.line for split, writer in writers.items()},
        "languages": languages,
        "dropped": dict(dropped.counts),
        "examples": dropped.examples,
        "seconds": round(time.process_time() - start, 3),
    }
    save(work.file("encode", key, shard), facts)


def _batches(documents: Iterator[tuple[str, int, Document]]) -> Iterator[tuple[str, list[tuple[int, Document]]]]:
    """Documents of one split at a time, as many as are encoded in one call."""
    held: dict[str, list[tuple[int, Document]]] = {"train": [], "valid": []}
    chars: Counter[str] = Counter()
    for split, at, document in documents:
        held[split].append((at, document))
        chars[split] += len(document.text)
        if len(held[split]) >= BATCH_DOCUMENTS or chars[split] >= BATCH_CHARS:
            yield split, held[split]
            held[split], chars[split] = [], 0
    yield from ((split, batch) for split, batch in held.items() if batch)
