"""Sources: files, folders and data sets become a stream of Documents.

A source is a .txt, .md or .html file (one document each), a .jsonl, .csv, .tsv or .parquet file (one document a row,
its text under "text" or "content"), any of them packed as .gz, .zst or .xz, a folder of these, a data set as
`hf:NAME[:SPLIT][:COLUMN]` (see `hub`), or the word `embedded`. Memory is bounded by one line or one document. Every
row of a file is a document, or is counted as left out.

A source that cannot be used is a DataError with file and position.
"""

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.base.types import Document
from trivium.corpus.read import embedded, encoding, hub
from trivium.corpus.read.markup import main_content
from trivium.corpus.read.reading import KNOWN, PAGES, PLAIN, Counts, Reading, kind
from trivium.corpus.read.records import rows
from trivium.corpus.read.text import TextFile

EMBEDDED = "embedded"


def read(
    sources: Sequence[str | Path],
    reading: Reading | None = None,
    counts: Counts | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Document]:
    """Yield the documents of all sources, files first; `source` is the file, `id` the row or the part of it.

    `counts` takes the reasons of repairs and of rows left out; `progress` follows the embedded corpus.
    """
    reading, counts = reading or Reading(), Counts() if counts is None else counts
    for path, _ in files(sources, counts):
        yield from _documents(path, reading, counts)
    for name in filter(hub.is_hub, map(str, sources)):
        yield from _hub_documents(name, reading, counts)
    if EMBEDDED in map(str, sources):
        yield from embedded.collect(progress=progress)


def remote(sources: Sequence[str | Path]) -> list[tuple[str, str]]:
    """Return the sources that are not files, each with its version."""
    found = [(name, hub.version(name)) for name in map(str, sources) if hub.is_hub(name)]
    if EMBEDDED in map(str, sources):
        found.append((EMBEDDED, " ".join([platform.python_version(), version("torch"), version("numpy")])))
    return found


def files(sources: Sequence[str | Path], counts: Counts | None = None) -> list[tuple[Path, int]]:
    """List the files that `read` would read, each once, with sizes in bytes; folders in the order of names."""
    found: dict[Path, tuple[Path, int]] = {}
    for source in sources:
        root = Path(source)
        if str(source) == EMBEDDED or hub.is_hub(str(source)):
            continue
        if root.is_dir():
            inside = sorted(path for path in _walk(root) if path.is_file())
            paths = [path for path in inside if kind(path)]
            if not paths:
                what = f"{len(inside)} files, none of them readable" if inside else "an empty folder"
                raise DataError(f"{root}: expected files of text ({KNOWN}), found {what}")
            if counts is not None and len(paths) < len(inside):
                counts["file of another type, not read"] += len(inside) - len(paths)
        elif not root.exists():
            raise DataError(f"{root}: no such file or folder")
        elif not kind(root):
            raise DataError(f"{root}: unknown type of file: expected {KNOWN}")
        else:
            paths = [root]
        for path in paths:
            found.setdefault(path.resolve(), (path, path.stat().st_size))
    return list(found.values())


def _walk(root: Path) -> Iterator[Path]:
    """Yield the files below a folder, without hidden ones and links to folders."""

    def failed(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot read: {error.strerror}") from error

    for folder, folders, names in os.walk(root, onerror=failed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _documents(path: Path, reading: Reading, counts: Counts) -> Iterator[Document]:
    if (suffix := kind(path)) in PLAIN:
        for number, text in enumerate(TextFile(path, reading, counts).parts(), start=1):
            yield Document(main_content(text, str(path)) if suffix in PAGES else text, str(number), str(path))
        return
    for number, row in rows(path, reading, counts, reading.keys):
        if (found := _text(row, f"{path}:{number}", reading, counts)) is not None:
            yield Document(found, str(number), str(path))


def _hub_documents(name: str, reading: Reading, counts: Counts) -> Iterator[Document]:
    if column := hub.place(name).column:
        reading = reading.replace(text_key=column)
    for number, row in enumerate(hub.rows(name), start=1):
        if (text := _text(row, f"{name}:{number}", reading, counts)) is not None:
            yield Document(text, str(number), name)
        if number == reading.most_rows:
            return


def _text(row: dict[str, Any], where: str, reading: Reading, counts: Counts) -> str | None:
    """Return the text of a row; None where the policy leaves the row out."""
    key = next((key for key in reading.keys if key in row), None)
    text = row.get(key) if key else None
    if not isinstance(text, str):
        problem = f'"{key}": expected a string, found {text!r:.60}'
        if key is None:
            wanted = " or ".join(f'"{key}"' for key in reading.keys)
            problem = f"expected the key {wanted}, found {', '.join(map(repr, row)) or 'none':.200}"
        reading.reject(f"{where}: {problem}", "row without text", counts)
        return None
    if len(text) > reading.longest_bytes:
        counts[f"row over {reading.longest_bytes} bytes"] += 1
        return None
    text = encoding.tidy(text, counts)
    return main_content(text, where) if reading.html_rows else text
