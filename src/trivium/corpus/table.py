"""Table: what `stage/read` records of each document that it keeps, and the documents themselves.

A column holds an address, a hash of the text, a band of the MinHash signature, ...: what comparing all documents needs.
The texts stand in a packed file beside the table.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import writing
from trivium.base.types import Document
from trivium.corpus.arrays import Arrays
from trivium.corpus.duplicates.cluster import digest, pairs
from trivium.corpus.duplicates.shingle import normal
from trivium.corpus.duplicates.signature import BATCH_CHARS, signatures
from trivium.corpus.preparation import Preparation
from trivium.corpus.read.unpack import opening, zstd
from trivium.corpus.work import Work

PARAGRAPH_CHARS = 80
"""Shorter paragraphs may repeat: headings, lists, lines of a dialogue."""

COLUMNS = {"name": "u4", "id": "S", "language": "S", "address": "u8", "bytes": "u4"}


class Table:
    """The records of one shard: about 200 bytes for each document, besides a batch of texts to be signed."""

    def __init__(self, preparation: Preparation) -> None:
        self.near, self.by_paragraph = preparation.near, preparation.paragraphs
        self.names: dict[int | str, int] = {}
        """The sources in the order of their first document, each with its number."""
        self._rows: list[tuple[Any, ...]] = []
        self._digest: list[bytes] = []
        self._held: list[str] = []
        self._held_chars = 0
        self._signed: list[tuple[np.ndarray, np.ndarray]] = []
        self._count: list[int] = []
        self._paragraph: list[tuple[int, int]] = []
        self._paragraph_digest: list[bytes] = []

    def add(self, document: Document, name: int | str, size: int) -> None:
        """Record a document of `size` bytes; `name` is its source, or the number of its file in the shard."""
        number, id = self.names.setdefault(name, len(self.names)), document.id.encode("utf-8", "replace")
        self._rows.append((number, id, document.meta["language"].encode(), address(document), size))
        if self.by_paragraph:
            self._add_paragraphs(document.text)
        text = normal(document.text)
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

    def _add_paragraphs(self, text: str) -> None:
        found = split_paragraphs(text)
        for at, paragraph in enumerate(found):
            if len(paragraph) > PARAGRAPH_CHARS:
                self._paragraph.append((len(self._count), at))
                self._paragraph_digest.append(digest(normal(paragraph)))
        self._count.append(len(found))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the columns as arrays, each of which can be read alone."""
        found = {key: np.array([row[i] for row in self._rows], kind) for i, (key, kind) in enumerate(COLUMNS.items())}
        found["digest"] = pairs(self._digest)
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


def documents(work: Work, shard: int) -> Iterator[Document]:
    """Yield the documents that `stage/read` kept of a shard, in order."""
    arrays, path = Arrays(work.read_file(shard)), work.read_file(shard, ".zst")
    names = source_names(work, shard, arrays.facts()["names"])
    columns = (arrays[column].tolist() for column in ("id", "name", "language", "bytes"))
    with unpacked(path) as handle:
        for id, name, spoken, size in zip(*columns, strict=True):
            if len(text := handle.read(size)) < size:
                raise DataError(f"{path}: ends too soon; remove {path.parent} and prepare again")
            yield Document(text.decode(), id.decode(), names[name], {"language": spoken.decode()})


def source_names(work: Work, shard: int, names: list[int | str]) -> list[str]:
    """Return the names of a shard's sources; those of files are in the plan, because files may move."""
    units = work.plan.shards[shard]
    return [units[name].path if isinstance(name, int) else name for name in names]


def split_paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text; blank lines separate them."""
    return re.split(r"\n\s*\n", text)


def address(document: Document) -> int:
    """Return a number (u64) for the place of a document, the same in whichever folder its file lies."""
    place = f"{os.path.basename(document.source)}\0{document.id}".encode("utf-8", "replace")
    return int.from_bytes(hashlib.sha256(place).digest()[:8], "big")


@contextmanager
def packed(path: Path) -> Iterator[Any]:
    """Open a .zst file for writing; it appears whole."""
    with writing(path) as handle, zstd.ZstdFile(handle, "w", level=1) as stream:
        stream.write(b"")  # begins a frame: a file without one would not be whole
        yield stream


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a .zst file for reading."""
    with opening(path, sys.maxsize, sys.maxsize) as handle:
        yield handle
