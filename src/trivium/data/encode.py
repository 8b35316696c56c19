"""Encode: the tokenizer, trained on a bounded part of the training text; then each shard's documents as ids.

Training reads all shards once and is a reduce; encoding is a map. It refuses to judge documents: that was done.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import fingerprint, read_json, write_json
from trivium.base.types import Document
from trivium.data.collect import packed, rows, split_paragraphs
from trivium.data.dropped import Dropped
from trivium.data.duplicate import held_out
from trivium.data.plan import Arrays, Work, save
from trivium.data.shards import ShardWriter
from trivium.text.shingle import mix
from trivium.text.tokenizer import Tokenizer

BATCH_DOCUMENTS = 512
"""Documents that are encoded in one call ..."""
BATCH_CHARS = 4 << 20
"""... or fewer, where they are long."""


def learn(work: Work, shard: int = 0) -> None:
    """Make the tokenizer: trained, or taken as it is."""
    start, options = time.process_time(), work.plan.preparation
    if options.tokenizer == "bytes":
        tokenizer = Tokenizer.bytes()
    elif options.tokenizer is not None:
        tokenizer = Tokenizer.load(options.tokenizer)
        if tokenizer.identity != work.plan.inputs["tokenizer"]:
            raise DataError(f"{options.tokenizer}: changed while the data were prepared; prepare again")
    else:
        tokenizer = Tokenizer.train(_sample(work), options.vocab_size)
    write_json(
        tokenizer_file(work),
        {"json": tokenizer.json, "config": tokenizer.config, "chat_template": tokenizer.chat_template,
         "identity": tokenizer.identity, "seconds": round(time.process_time() - start, 3)},
    )  # fmt: skip


def tokenizer_file(work: Work) -> Path:
    """Where the tokenizer is kept."""
    return work.file("tokenizer", work.plan.tokenizer_key, suffix=".json")


def made(work: Work) -> Tokenizer:
    """The tokenizer that `learn` made."""
    return _made(tokenizer_file(work))


@lru_cache(maxsize=1)
def _made(path: Path) -> Tokenizer:
    """Build a tokenizer once in each process: the name of its file says what it is."""
    tree = read_json(path)
    return Tokenizer(tree["json"], tree["config"], tree["chat_template"])


def encode_key(work: Work, shard: int) -> str:
    """What the ids of a shard depend on: its documents, what was decided about them, the tokenizer."""
    plan = work.plan
    decided = _decisions(work).facts()
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
        "lines": {split: writer.line for split, writer in writers.items()}, "languages": languages,
        "dropped": dict(dropped.counts), "examples": dropped.examples,
        "seconds": round(time.process_time() - start, 3),
    }  # fmt: skip
    save(work.file("encode", key, shard), facts)


def kept(work: Work, shard: int, dropped: Dropped) -> Iterator[tuple[str, int, Document]]:
    """(split, number in its shard, document) of all that is left of a shard; the rest goes to `dropped`."""
    decided = _decisions(work)
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


def _batches(
    documents: Iterator[tuple[str, int, Document]],
) -> Iterator[tuple[str, list[tuple[int, Document]]]]:
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


def _sample(work: Work) -> Iterator[str]:
    """The training texts that the tokenizer learns from: all, or of larger corpora a part that is drawn by hash."""
    share = work.plan.preparation.sample_bytes / max(1, _decisions(work).facts()["train_bytes"])
    for shard, key in enumerate(work.plan.read_keys):
        place = Arrays(work.file("read", key, shard))["address"]
        drawn = (mix(place) < share * 2.0**64).tolist() if share < 1 else [True] * len(place)
        for split, at, document in kept(work, shard, Dropped()):
            if split == "train" and drawn[at]:
                yield document.text


def _decisions(work: Work) -> Arrays:
    return Arrays(work.file("dedup", work.plan.dedup_key))
