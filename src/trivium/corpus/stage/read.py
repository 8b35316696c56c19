"""Collect: one shard of the sources is read, cleaned and judged, document by document.

What is kept is written down as text, and beside it a table: where each document comes from, its language and size, and
what the comparison of all documents needs: an address, a hash of the text, a MinHash signature, hashes of long
paragraphs. Memory holds a batch of documents and the table, about 200 bytes a document. It refuses to know any other
shard.
"""

import hashlib
import io
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import zstandard

from trivium.base.config import dump, parse
from trivium.base.errors import DataError
from trivium.base.files import writing
from trivium.base.types import Document
from trivium.corpus.clean import language, sentences
from trivium.corpus.clean.clean import clean
from trivium.corpus.dropped import Dropped
from trivium.corpus.duplicates import contaminate
from trivium.corpus.duplicates.cluster import digest, pairs
from trivium.corpus.duplicates.shingle import normal
from trivium.corpus.duplicates.signature import BATCH_CHARS, signatures
from trivium.corpus.plan import Arrays, Unit, Work, save
from trivium.corpus.preparation import Preparation
from trivium.corpus.read.reading import Counts, Reading
from trivium.corpus.read.sources import read

BLOCK = 64
"""Documents in a row that one of several readers of a file takes."""
PARAGRAPH_CHARS = 80
"""Shorter paragraphs may be repeated: headings, lists, the lines of a dialogue."""
STEPS = ("read", "clean", "filter", "language", "sentences", "decontaminate", "sign and write")


@dataclass
class Tally:
    """What happened to a shard: documents and bytes that left each step, seconds of computing, what was mended."""

    flow: dict[str, list[int]] = field(default_factory=lambda: {step: [0, 0] for step in STEPS})
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    mended: Counts = field(default_factory=Counter)
    sentences: int = 0
    last: float = field(default_factory=time.process_time)
    seen: str = ""
    """The text that left a step last, and its bytes."""
    size: int = 0

    def tick(self, step: str) -> None:
        """Book the computing since the last tick to a step."""
        now = time.process_time()
        self.seconds[step] += now - self.last
        self.last = now

    def left(self, step: str, text: str) -> None:
        """A document leaves a step; most steps leave its text as it was, whose bytes are known then."""
        if text != self.seen:
            self.seen, self.size = text, len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        self.tick(step)
        self.flow[step][0] += 1
        self.flow[step][1] += self.size


def collect(work: Work, shard: int) -> None:
    """Read one shard; its rows and its table appear in the work folder."""
    plan, key = work.plan, work.plan.read_keys[shard]
    tally, table = Tally(), Table(plan.preparation)
    known, mended = evaluation(work)
    with _dropping(work, shard) as dropped, packed(work.file("read", key, shard, ".zst")) as handle:
        for number, unit in enumerate(plan.shards[shard]):
            for document in _judged(unit, plan.preparation, known, tally, dropped):
                name = document.source if document.source != unit.path else number
                text = document.text.encode("utf-8", "replace")
                handle.write(text)
                table.add(document, name, len(text))
                tally.left("sign and write", document.text)
    arrays = table.arrays()
    tally.tick("sign and write")
    facts = {
        "flow": tally.flow,
        "seconds": {step: round(value, 3) for step, value in tally.seconds.items()},
        "mended": dict(tally.mended),
        "sentences": tally.sentences,
        "names": table.names,
        "dropped": dict(dropped.counts),
        "examples": dropped.examples,
    }
    if known:
        facts["evaluation"] = {"evaluation_texts": known.texts, "too_short_to_tell": known.short, "mended": mended}
    save(work.file("read", key, shard), facts, **arrays)


def rows(work: Work, shard: int) -> Iterator[Document]:
    """The documents that `collect` kept of a shard, in order."""
    arrays = Arrays(work.file("read", work.plan.read_keys[shard], shard))
    names = source_names(work, shard, arrays.facts()["names"])
    columns = (arrays[column].tolist() for column in ("id", "name", "language", "bytes"))
    path = work.file("read", work.plan.read_keys[shard], shard, ".zst")
    with unpacked(path) as handle:
        for id, name, spoken, size in zip(*columns, strict=True):
            if len(text := handle.read(size)) < size:
                raise DataError(f"{path}: ends too soon; remove {path.parent} and prepare again")
            yield Document(text.decode(), id.decode(), names[name], {"language": spoken.decode()})


def source_names(work: Work, shard: int, names: list[int | str]) -> list[str]:
    """The names of a shard's sources; those of files are in the plan, so that files may move."""
    units = work.plan.shards[shard]
    return [units[name].path if isinstance(name, int) else name for name in names]


@contextmanager
def packed(path: Path) -> Iterator[Any]:
    """Open a compressed file for writing; it appears whole."""
    with writing(path) as handle:
        stream = zstandard.ZstdCompressor(level=1).stream_writer(handle, closefd=False)
        yield stream
        stream.close()


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a compressed file for reading."""
    with open(path, "rb") as handle:
        yield io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(handle), 1 << 20)  # type: ignore[arg-type]


@contextmanager
def _dropping(work: Work, shard: int) -> Iterator[Dropped]:
    """Where a shard's dropped documents go: into a file of their own if anybody wants them."""
    if work.plan.keep_dropped is None:
        yield Dropped()
        return
    with packed(work.file("dropped", work.plan.read_keys[shard], shard, ".jsonl.zst")) as handle:
        yield Dropped(handle=handle)


def _documents(unit: Unit, reading: Reading, counts: Counts) -> Iterator[Document]:
    """The documents of a unit; of several readers of a file the first tells what was mended."""
    found = read([unit.path], reading, counts if unit.part == 0 else Counter())
    if unit.parts == 1:
        return found
    return (document for at, document in enumerate(found) if at // BLOCK % unit.parts == unit.part)


def _judged(
    unit: Unit, preparation: Preparation, known: contaminate.Known | None, tally: Tally, dropped: Dropped
) -> Iterator[Document]:
    """The documents of a unit that are kept, cleaned, with their language."""
    tally.tick("read")
    for document in _documents(unit, preparation.reading, tally.mended):
        tally.left("read", document.text)
        text = clean(document.text, preparation.cleaning, tally.mended)
        tally.left("clean", text)
        text = preparation.filter.trim(text, tally.mended)
        reason = preparation.filter.reason(text)
        tally.tick("filter")
        if reason:
            dropped.add(replace(document, text=text), reason)
            continue
        tally.left("filter", text)
        found = language.identify(text)
        if preparation.languages is not None and found not in preparation.languages:
            dropped.add(replace(document, text=text), f"language: {found}")
            continue
        tally.left("language", text)
        if preparation.sentence_lines:
            parts = sentences.spans(text, language.guess(text))
            tally.sentences += len(parts)
            text = "\n".join(" ".join(text[a:b].split()) for a, b in parts)
        tally.left("sentences", text)
        document = replace(document, text=text, meta={"language": found})
        if known and (shared := known.shared(text)) >= preparation.contamination.least:
            reason = f"shares {preparation.contamination.run} words with an evaluation text"
            dropped.add(document, reason, f"{shared} runs")
            continue
        tally.left("decontaminate", text)
        yield document
    tally.tick("read")


def evaluation(work: Work) -> tuple[contaminate.Known | None, Counts]:
    """The evaluation texts that no document may share text with, if there are any, and what was mended in them."""
    preparation = work.plan.preparation
    if not preparation.contamination.against:
        return None, Counter()
    # The plan knows the files by their content: the same name may hold other texts the next time.
    content = work.plan.inputs["preparation"]["contamination"]
    return _evaluation(*(json.dumps(dump(part)) for part in (preparation.contamination, preparation.reading, content)))


@lru_cache(maxsize=1)
def _evaluation(contamination: str, reading: str, content: str) -> tuple[contaminate.Known, Counts]:
    """Read the evaluation texts, once in each process."""
    counts: Counts = Counter()
    rules = parse(contaminate.Contamination, json.loads(contamination))
    known = contaminate.load(rules, parse(Reading, json.loads(reading)), counts)
    return known, Counter({f"evaluation texts: {reason}": count for reason, count in counts.items()})


class Table:
    """What is remembered of each document that is kept."""

    def __init__(self, preparation: Preparation) -> None:
        self.near, self.by_paragraph = preparation.near, preparation.paragraphs
        self.names: list[int | str] = []
        self._known: dict[int | str, int] = {}
        self._name: list[int] = []
        self._id: list[bytes] = []
        self._language: list[bytes] = []
        self._address: list[int] = []
        self._bytes: list[int] = []
        self._digest: list[bytes] = []
        self._held: list[str] = []
        self._held_chars = 0
        self._signed: list[tuple[np.ndarray, np.ndarray]] = []
        self._count: list[int] = []
        self._paragraph: list[tuple[int, int]] = []
        self._paragraph_digest: list[bytes] = []

    def add(self, document: Document, name: int | str, size: int) -> None:
        """Take a document of so many bytes; `name` is its source, or the number of its file in the shard."""
        if name not in self._known:
            self._known[name] = len(self.names)
            self.names.append(name)
        if self.by_paragraph:
            self._paragraphs(document.text)
        text = normal(document.text)
        self._name.append(self._known[name])
        self._id.append(document.id.encode("utf-8", "replace"))
        self._language.append(document.meta["language"].encode())
        self._address.append(address(document))
        self._bytes.append(size)
        self._digest.append(digest(text))
        if self.near:
            self._held.append(text)
            self._held_chars += len(text)
            if self._held_chars >= BATCH_CHARS:
                self._sign()

    def _sign(self) -> None:
        assert self.near is not None
        self._signed.append(signatures(self._held, self.near))
        self._held, self._held_chars = [], 0

    def _paragraphs(self, text: str) -> None:
        found = split_paragraphs(text)
        self._count.append(len(found))
        for at, paragraph in enumerate(found):
            if len(paragraph) > PARAGRAPH_CHARS:
                self._paragraph.append((len(self._count) - 1, at))
                self._paragraph_digest.append(digest(normal(paragraph)))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays, each of which can be read alone."""
        found = {
            "name": np.array(self._name, np.uint32),
            "id": np.array(self._id, "S") if self._id else np.empty(0, "S1"),
            "language": np.array(self._language, "S") if self._language else np.empty(0, "S1"),
            "address": np.array(self._address, np.uint64),
            "bytes": np.array(self._bytes, np.uint32),
            "digest": pairs(self._digest),
        }
        if self.near:
            self._sign()
            bands = np.concatenate([table for table, _ in self._signed])
            found["signed"] = np.concatenate([there for _, there in self._signed])
            found |= {f"band{i}": np.ascontiguousarray(bands[:, i]) for i in range(self.near.bands)}
        if self.by_paragraph:
            found["paragraphs"] = np.array(self._count, np.uint32)
            found["paragraph"] = np.array(self._paragraph, np.uint32).reshape(-1, 2)
            found["paragraph_digest"] = pairs(self._paragraph_digest)
        return found


def split_paragraphs(text: str) -> list[str]:
    """The paragraphs of a text: what blank lines stand between."""
    return re.split(r"\n\s*\n", text)


def address(document: Document) -> int:
    """A number (u64) for a document's place, the same wherever its file lies."""
    place = f"{os.path.basename(document.source)}\0{document.id}".encode("utf-8", "replace")
    return int.from_bytes(hashlib.sha256(place).digest()[:8], "big")
