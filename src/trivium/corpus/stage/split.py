"""Split: where the parts of a large file begin, so that several shards read it once.

Plain text and JSON lines are split by byte ranges, at line ends. What cannot be split (a packed file, a table, another
encoding than UTF-8) is read here, once, and its documents are dealt out: they stand packed in runs, and each part takes
its own runs. Memory: a run of documents.
"""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import fingerprint, writing
from trivium.base.types import Document
from trivium.corpus.arrays import Arrays, save
from trivium.corpus.plan import Unit
from trivium.corpus.read.reading import PLAIN, Counts, kind
from trivium.corpus.read.sources import documents
from trivium.corpus.read.text import ByteRange, TextFile
from trivium.corpus.read.unpack import zstd
from trivium.corpus.work import Work

RUN_BYTES = 1 << 20
"""Bytes of text that are packed together."""
BLOCK_BYTES = 1 << 20


def index_file(work: Work, unit: Unit, suffix: str = ".npz") -> Path:
    """Return the path of the index of a divided file, or (.zst) of its documents that were dealt out."""
    reading = work.plan.inputs["preparation"]["reading"]
    return work.file("split", fingerprint([work.plan.code, reading, *unit.identity[:3], unit.parts]), suffix=suffix)


def split_result(work: Work, number: int) -> Path:
    """Return the file that shows that a divided file needs no more work: its index, or what was read by means of it."""
    unit = work.plan.divided[number]
    shards = [at for at, units in enumerate(work.plan.shards) if any(one.path == unit.path for one in units)]
    read = [work.read_file(shard) for shard in shards]
    return read[0] if all(path.is_file() for path in read) else index_file(work, unit)


def split_file(work: Work, number: int) -> None:
    """Split one divided file; its index appears in the work folder."""
    unit = work.plan.divided[number]
    file = TextFile(Path(unit.path), work.plan.preparation.reading)
    path = index_file(work, unit)
    if (found := borders(file, unit.parts)) is not None:
        start, first = zip(*found, strict=True)
        save(path, {}, start=np.array(start, np.uint64), first=np.array(first, np.uint64))
        return
    ends, room = [0], min(RUN_BYTES, max(1, unit.size // unit.parts))
    with writing(index_file(work, unit, ".zst")) as handle:
        for run in _runs(file, room):
            handle.write(zstd.compress(run, level=1))
            ends.append(handle.tell())
    save(path, {"mended": file.counts}, ends=np.array(ends, np.uint64))


def _runs(file: TextFile, room: int) -> Iterator[bytes]:
    """Yield the documents of a file as lines of JSON, some of at least `room` bytes at a time."""
    held: list[bytes] = []
    size = 0
    for document in documents(file):
        held.append(json.dumps([document.id, document.text], ensure_ascii=False).encode("utf-8", "surrogatepass"))
        size += len(held[-1])
        if size >= room:
            yield b"\n".join(held)
            held, size = [], 0
    if held:
        yield b"\n".join(held)


def borders(file: TextFile, parts: int) -> list[tuple[int, int]] | None:
    """Return (first byte, lines or documents before it) of each part of a file, and of its end; None if it has to be
    read from its beginning."""
    suffix = kind(file.path, file.reading.as_text)
    if suffix not in (*PLAIN, ".jsonl"):
        return None
    silent = TextFile(file.path, file.reading)
    with silent.opened(rows=suffix == ".jsonl") as (handle, known):
        if not handle.seekable():
            return None
        if suffix == ".jsonl":
            return _of_lines(file, parts, known)
        found = [(offset, number) for number, (offset, _) in enumerate(silent.pieces(handle))]
    found.append((file.path.stat().st_size, len(found)))
    return [found[part * (len(found) - 1) // parts] for part in range(parts + 1)]


def _of_lines(file: TextFile, parts: int, known: bool) -> list[tuple[int, int]] | None:
    """Return the borders of parts of about equal size; None where the encoding has to be recognised."""
    size = file.path.stat().st_size
    found, offset, lines = [(0, 0)], 0, 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open(file.path, "rb") as handle:
        while (block := handle.read(BLOCK_BYTES)) or decoder.getstate()[0]:
            if not known and file.reading.invalid == "replace":
                try:
                    decoder.decode(block, final=not block)
                except UnicodeDecodeError:
                    return None
            while len(found) < parts:
                wanted = max(len(found) * size // parts, 1)
                at = block.find(b"\n", max(0, wanted - 1 - offset))
                if at < 0 or wanted > offset + len(block):
                    break
                found.append((offset + at + 1, lines + block.count(b"\n", 0, at + 1)))
            offset, lines = offset + len(block), lines + block.count(b"\n")
    return [*found, *[(offset, lines)] * (parts + 1 - len(found))]


def part(work: Work, unit: Unit, counts: Counts) -> Iterator[Document]:
    """Yield the documents of one part of a divided file. `counts` takes the repairs; what was dealt out has told them
    to the first part."""
    index, at = Arrays(index_file(work, unit)), unit.part
    if "mended" in (facts := index.facts()):
        counts.update(facts["mended"] if not at else {})
        yield from _dealt(index_file(work, unit, ".zst"), unit, index["ends"].tolist())
        return
    (start, stop), first = index["start"][at : at + 2].tolist(), int(index["first"][at])
    if start < stop:
        section = ByteRange(start, stop, first)
        yield from documents(TextFile(Path(unit.path), work.plan.preparation.reading, counts, section))


def _dealt(path: Path, unit: Unit, ends: list[int]) -> Iterator[Document]:
    """Yield the documents of a part that were dealt out."""
    low, high = ((unit.part + i) * (len(ends) - 1) // unit.parts for i in (0, 1))
    try:
        with open(path, "rb") as handle:
            handle.seek(ends[low])
            for run in range(low, high):
                for line in zstd.decompress(handle.read(ends[run + 1] - ends[run])).split(b"\n"):
                    id, text = json.loads(line)
                    yield Document(text, id, unit.path)
    except (OSError, ValueError, zstd.ZstdError) as broken:
        raise DataError(f"{path}: cannot be read ({broken}); remove {path.parent} and prepare again") from None
