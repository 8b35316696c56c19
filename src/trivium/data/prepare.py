"""From sources to a data folder: read, clean, filter, dedup, split, tokenizer, encode, publish.

The folder appears whole, its manifest last; preparing the same sources the same way again does nothing. Every
document that is left out is counted under a reason. All cleaned text is held in memory once, so a corpus should
fit there.
"""

import hashlib
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from trivium.base.config import Config, Seq, dump
from trivium.base.errors import DataError
from trivium.base.files import fingerprint, publishing, write_json, xxh3
from trivium.base.types import Document
from trivium.data.dropped import Dropped, dropping, place
from trivium.data.shards import FORMAT, dtype_for, read_manifest, write_shard
from trivium.text import language, sentences, web  # noqa: F401  (the kind `web` joins the filters)
from trivium.text.clean import Cleaning, clean
from trivium.text.contaminate import Contamination, load
from trivium.text.dedup import Near, drop_paragraphs, duplicates
from trivium.text.filter import Filter, Light
from trivium.text.sources import EMBEDDED, Counts, Reading, files, read
from trivium.text.template import CHAT_TEMPLATE
from trivium.text.tokenizer import Tokenizer

BATCH_DOCUMENTS = 512
"""Documents that are encoded in one call."""


class Preparation(Config):
    """What is done to a corpus on its way to ids."""

    reading: Reading = Reading()
    cleaning: Cleaning = Cleaning()
    filter: Filter = Light()
    languages: Seq[str] | None = None
    """The languages that are kept, by code; None keeps them all."""
    contamination: Contamination = Contamination()
    """The evaluation files whose texts must not stand in the data."""
    near: Near | None = Near()
    """How near duplicates are found; None leaves only exact ones out."""
    paragraphs: bool = False
    """Whether a long paragraph that stood before, in any document, is left out."""
    sentence_lines: bool = False
    """Whether every sentence gets a line of its own."""
    tokenizer: str | None = None
    """A tokenizer folder or file to use, or `bytes`; None trains one."""
    vocab_size: int = Field(8192, gt=0)
    valid_share: float = Field(0.05, ge=0, lt=1)
    """The share of documents that is held out."""
    shard_tokens: int = Field(1 << 26, gt=0)


@dataclass
class Report:
    """What happened at each step; kept in the manifest."""

    steps: list[dict[str, Any]]
    dropped: Dropped
    mended: Counter[str]
    facts: dict[str, Any]

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a step and keep what it says of itself."""
        start = time.perf_counter()
        entry: dict[str, Any] = {"step": name}
        yield entry
        entry["seconds"] = round(time.perf_counter() - start, 2)
        self.steps.append(entry)

    def record(self) -> dict[str, Any]:
        """The report as plain data."""
        return {"steps": self.steps, "dropped": dict(self.dropped.counts), "mended": dict(self.mended), **self.facts}


def prepare(
    sources: Sequence[str | Path],
    folder: str | Path,
    preparation: Preparation | None = None,
    keep_dropped: str | Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Make a data folder and give its manifest; one that is there and still fits is left as it is.

    `keep_dropped` is a file, or a folder for one, that gets the documents left out; where it is not there yet, the
    data is made again.
    """
    preparation, folder = preparation or Preparation(), Path(folder)
    inputs = {"sources": identify(sources), "preparation": dump(preparation), "version": version("trivium")}
    if preparation.tokenizer not in (None, "bytes"):
        inputs["tokenizer"] = Tokenizer.load(preparation.tokenizer).identity
    if against := preparation.contamination.against:
        inputs["preparation"]["contamination"]["against"] = identify(against)
    if preparation.languages is not None:
        inputs["language_by"] = language.judge()
    if (folder / "manifest.json").is_file():
        manifest = read_manifest(folder)
        if manifest["inputs_hash"] == fingerprint(inputs) and (keep_dropped is None or place(keep_dropped).exists()):
            return {**manifest, "fresh": False}
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: exists and is not a data folder; name another one")
    with dropping(None if keep_dropped is None else place(keep_dropped)) as dropped:
        report = Report([], dropped, Counter(), {})
        progress("reading and cleaning")
        documents = _read(sources, preparation, report)
        if against:
            progress("comparing with evaluation texts")
            documents = _decontaminate(documents, preparation, report)
        progress("dropping duplicates")
        documents = _dedup(documents, preparation, report)
    report.facts.update(languages=_languages(documents), language_by=language.judge())
    train, valid = _split(documents, preparation.valid_share, report)
    progress("making the tokenizer")
    with report.step("tokenizer") as entry:
        tokenizer = _tokenizer(train, preparation)
        entry["vocabulary"] = tokenizer.vocabulary.size
    progress("encoding")
    with publishing(folder) as temporary:
        splits = _encode({"train": train, "valid": valid}, temporary, tokenizer, preparation, report)
        tokenizer.save(temporary / "tokenizer", chat_template=tokenizer.chat_template or CHAT_TEMPLATE)
        vocabulary = tokenizer.vocabulary
        manifest = {
            "format": FORMAT,
            "dtype": dtype_for(vocabulary.size).str,
            "vocab_size": vocabulary.size,
            "special": {"pad": vocabulary.pad, "bos": vocabulary.bos, "eos": vocabulary.eos, "mask": vocabulary.mask},
            "tokenizer": tokenizer.identity,
            "shards": sum(map(len, splits.values())),
            "splits": splits,
            "inputs": inputs,
            "inputs_hash": fingerprint(inputs),
            "dataset_id": fingerprint([splits, tokenizer.identity]),
            "report": report.record(),
        }
        write_json(temporary / "manifest.json", manifest)
    return {**manifest, "fresh": True}


def identify(sources: Sequence[str | Path]) -> list[Any]:
    """What tells these sources from others: name, size and hash of every file, versions of what is embedded."""
    found: list[Any] = [[path.name, size, xxh3(path)] for path, size in files(sources)]
    if EMBEDDED in map(str, sources):
        found.append([EMBEDDED, platform.python_version(), version("torch"), version("numpy")])
    return found


def _read(sources: Sequence[str | Path], preparation: Preparation, report: Report) -> list[Document]:
    kept: list[Document] = []
    counts: Counts = Counter()
    read_bytes = count = lines = 0
    with report.step("read, clean, filter") as entry:
        for document in read(sources, preparation.reading, counts):
            count += 1
            read_bytes += len(document.text.encode("utf-8", "replace"))
            text = clean(document.text, preparation.cleaning)
            text = preparation.filter.trim(text, report.mended)
            if reason := preparation.filter.reason(text):
                report.dropped.add(replace(document, text=text), reason)
                continue
            found = language.identify(text)
            if preparation.languages is not None and found not in preparation.languages:
                report.dropped.add(replace(document, text=text), f"language: {found}")
                continue
            parts = sentences.spans(text, language.guess(text))
            lines += len(parts)
            if preparation.sentence_lines:
                text = "\n".join(" ".join(text[a:b].split()) for a, b in parts)
            kept.append(replace(document, text=text, meta={**document.meta, "language": found}))
        report.mended.update(counts)
        entry.update(documents_in=count, documents_out=len(kept), bytes_in=read_bytes, sentences=lines)
        entry["bytes_out"] = sum(len(document.text.encode()) for document in kept)
    if not kept:
        raise DataError(f"{', '.join(map(str, sources))}: no document left of {count}"
                        + "".join(f"; {reason}: {n}" for reason, n in report.dropped.counts.items()))  # fmt: skip
    return kept


def _decontaminate(documents: list[Document], preparation: Preparation, report: Report) -> list[Document]:
    rules = preparation.contamination
    kept: list[Document] = []
    counts: Counts = Counter()
    with report.step("decontaminate") as entry:
        known = load(rules, preparation.reading, counts)
        for document in documents:
            if (shared := known.shared(document.text)) >= rules.least:
                report.dropped.add(document, f"shares {rules.run} words with an evaluation text", f"{shared} runs")
            else:
                kept.append(document)
        report.mended.update({f"evaluation texts: {reason}": count for reason, count in counts.items()})
        entry.update(documents_in=len(documents), documents_out=len(kept))
        entry.update(evaluation_texts=known.texts, too_short_to_tell=known.short)
    if not kept:
        raise DataError(f"{', '.join(rules.against)}: every one of {len(documents)} documents shares text with it")
    return kept


def _dedup(documents: list[Document], preparation: Preparation, report: Report) -> list[Document]:
    with report.step("dedup") as entry:
        found = duplicates((((d.source, d.id), d.text) for d in documents), preparation.near)
        kept: list[Document] = []
        for document in documents:
            if (why := found.get((document.source, document.id))) is None:
                kept.append(document)
            else:
                report.dropped.add(document, " ".join(why.split()[:2]), why)
        if preparation.paragraphs:
            texts = drop_paragraphs(document.text for document in kept)
            kept = [replace(document, text=text) for document, text in zip(kept, texts, strict=True)]
        entry.update(documents_in=len(documents), documents_out=len(kept))
        entry["bytes_out"] = sum(len(document.text.encode()) for document in kept)
    return kept


def _languages(documents: list[Document]) -> dict[str, dict[str, int]]:
    """Documents and bytes of each language, the largest first."""
    found: dict[str, dict[str, int]] = {}
    for document in documents:
        entry = found.setdefault(document.meta["language"], {"documents": 0, "bytes": 0})
        entry["documents"] += 1
        entry["bytes"] += len(document.text.encode())
    return dict(sorted(found.items(), key=lambda item: (-item[1]["bytes"], item[0])))


def _split(documents: list[Document], share: float, report: Report) -> tuple[list[Document], list[Document]]:
    """Hold out a share of the documents, chosen by a hash of their address so that it never depends on the others.

    A single document is cut in two at a line end; its last part is held out.
    """
    if not share:
        return documents, []
    if len(documents) == 1:
        document = documents[0]
        cut = document.text.rfind("\n", 0, int(len(document.text) * (1 - share))) + 1
        report.facts["split"] = "one document, cut at a line end"
        if not cut:
            return documents, []
        return [replace(document, text=document.text[:cut])], [replace(document, text=document.text[cut:])]
    train: list[Document] = []
    valid: list[Document] = []
    for document in documents:
        address = hashlib.sha256(f"{Path(document.source).name}\0{document.id}".encode("utf-8", "replace")).digest()
        (valid if int.from_bytes(address[:8], "big") < share * 2**64 else train).append(document)
    report.facts["split"] = "by document"
    return (train, valid) if train else (documents, [])


def _tokenizer(documents: list[Document], preparation: Preparation) -> Tokenizer:
    if preparation.tokenizer == "bytes":
        return Tokenizer.bytes()
    if preparation.tokenizer is not None:
        return Tokenizer.load(preparation.tokenizer)
    return Tokenizer.train((document.text for document in documents), preparation.vocab_size)


def _encode(
    splits: dict[str, list[Document]], folder: Path, tokenizer: Tokenizer, preparation: Preparation, report: Report
) -> dict[str, list[dict[str, Any]]]:
    lines: dict[str, list[dict[str, Any]]] = {}
    size = tokenizer.vocabulary.size
    with report.step("encode") as entry:
        for split, documents in splits.items():
            lines[split] = []
            for ids, offsets, text_bytes in _shards(documents, tokenizer, preparation.shard_tokens):
                name = f"{split}-{len(lines[split]):05d}"
                lines[split].append(write_shard(folder, name, ids, offsets, size, text_bytes))
            entry[f"{split}_documents"] = sum(line["documents"] for line in lines[split])
            entry[f"{split}_tokens"] = sum(line["tokens"] for line in lines[split])
            entry[f"{split}_bytes"] = sum(line["bytes"] for line in lines[split])
        tokens = sum(line["tokens"] for part in lines.values() for line in part)
        entry["bytes_per_token"] = round(
            sum(line["bytes"] for part in lines.values() for line in part) / max(tokens, 1), 3
        )
    return lines


def _shards(
    documents: list[Document], tokenizer: Tokenizer, shard_tokens: int
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """(ids, document offsets, bytes of text) of each shard; a document is never cut."""
    ids: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    text_bytes = held = 0
    for at in range(0, len(documents), BATCH_DOCUMENTS):
        texts = [document.text for document in documents[at : at + BATCH_DOCUMENTS]]
        flat, offsets = tokenizer.encode_batch(texts)
        ids.append(flat)
        lengths.append(np.diff(offsets))
        held += len(flat)
        text_bytes += sum(len(text.encode()) for text in texts)
        if held >= shard_tokens:
            yield np.concatenate(ids), np.concatenate([[0], *lengths]).cumsum(), text_bytes
            ids, lengths, text_bytes, held = [], [], 0, 0
    if lengths:
        yield np.concatenate(ids), np.concatenate([[0], *lengths]).cumsum(), text_bytes
