"""Encode: the documents that are left of a shard become ids, in token shards of both splits."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.files import fingerprint, read_json
from trivium.base.types import Document
from trivium.corpus.arrays import Arrays, save
from trivium.corpus.dropped import Dropped
from trivium.corpus.stage.dedup import kept
from trivium.corpus.stage.tokenizer import load_tokenizer
from trivium.corpus.table import packed
from trivium.corpus.work import Work
from trivium.data.shards import ShardWriter

BATCH_DOCUMENTS = 512
"""The most documents that are encoded in one call."""
BATCH_CHARS = 4 << 20
"""The characters that end a batch of long documents early."""


def encode_file(work: Work, shard: int, suffix: str = ".npz", step: str = "encode") -> Path:
    """Return the path of a result of encoding a shard; its key covers its documents, decisions and tokenizer."""
    plan, (decided, tokenizer) = work.plan, _known(work.dedup_file(), work.tokenizer_file())
    split = [decided["split"], plan.preparation.valid_share, plan.keep_dropped is not None]
    key = fingerprint([plan.read_keys[shard], decided["hashes"][shard], split, tokenizer])
    return work.file(step, key, shard, suffix)


@lru_cache(maxsize=1)
def _known(dedup: Path, tokenizer: Path) -> tuple[Any, str]:
    """Return the decisions and the identity of the tokenizer, read once in each process: names identify the files."""
    return Arrays(dedup).facts(), read_json(tokenizer)["identity"]


def encode_shard(work: Work, shard: int) -> None:
    """Encode the documents that are left of a shard into token shards of the training and the held-out split."""
    start, path = time.process_time(), encode_file(work, shard)
    tokenizer, dropped = load_tokenizer(work), Dropped()
    languages: dict[str, Counter[str]] = {}
    names = Arrays(work.read_file(shard))["name"].tolist()
    with ExitStack() as files:
        if work.plan.keep_dropped is not None:
            dropped.handle = files.enter_context(packed(encode_file(work, shard, ".jsonl.zst", "again")))
        writers = {
            split: files.enter_context(
                ShardWriter(work.folder, encode_file(work, shard, "", split).name, tokenizer.vocabulary.size)
            )
            for split in ("train", "valid")
        }
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
    save(path, facts)


def _batches(documents: Iterator[tuple[str, int, Document]]) -> Iterator[tuple[str, list[tuple[int, Document]]]]:
    """Yield batches of documents of one split."""
    held: dict[str, list[tuple[int, Document]]] = {"train": [], "valid": []}
    chars: Counter[str] = Counter()
    for split, at, document in documents:
        held[split].append((at, document))
        chars[split] += len(document.text)
        if len(held[split]) >= BATCH_DOCUMENTS or chars[split] >= BATCH_CHARS:
            yield split, held[split]
            held[split], chars[split] = [], 0
    yield from ((split, batch) for split, batch in held.items() if batch)
