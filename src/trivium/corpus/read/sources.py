"""Sources: files, folders and data sets become a stream of Documents.

A source is a .txt, .md or .html file (one document each), a .jsonl, .csv, .tsv or .parquet file (one document a row,
its text under "text" or "content"), any of them packed as .gz, .zst or .xz, a folder of these, a data set as
`hf:NAME[:SPLIT][:COLUMN]` (see `hub`), or the word `embedded`. Memory is bounded by one line or one document. Every
row of a file is a document, or is counted as left out.

A source that cannot be used is a DataError with file and position.
"""

import os
import platform
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.base.files import special
from trivium.base.folder import is_hub
from trivium.base.plugin import extra
from trivium.base.types import Document
from trivium.corpus.read import embedded, encoding, hub
from trivium.corpus.read.reading import KNOWN, NOT_READ, PAGES, PLAIN, Counts, Reading, advice, kind, not_read
from trivium.corpus.read.records import Rows, rows
from trivium.corpus.read.text import TextFile

EMBEDDED = "embedded"
DEEPEST = 64
"""The most blocks of HTML within one another."""
_BLOCK = re.compile(r"<(/?)(?:div|article)(?=[\s/>])", re.IGNORECASE)


def read(
    sources: Sequence[str | Path], reading: Reading | None = None, counts: Counts | None = None
) -> Iterator[Document]:
    """Yield the documents of all sources, files first; `source` is the file, `id` the row or the part of it.

    `counts` takes the reasons of repairs and of rows left out.
    """
    reading, counts = reading or Reading(), Counts() if counts is None else counts
    passed: list[Path] = []
    found = files(sources, reading, passed)
    counts.update(not_read(passed))
    for path, _ in found:
        yield from documents(TextFile(path, reading, counts))
    for name in filter(is_hub, map(str, sources)):
        keyed = reading.replace(text_key=hub.place(name).column or reading.text_key)
        yield from _of_rows(islice(enumerate(hub.rows(name), start=1), reading.most_rows), name, keyed, counts)
    if EMBEDDED in map(str, sources):
        yield from embedded.collect()


def remote(sources: Sequence[str | Path]) -> list[tuple[str, str]]:
    """Return the sources that are not files, each with its version."""
    found = [(name, hub.version(name)) for name in map(str, sources) if is_hub(name)]
    if EMBEDDED in map(str, sources):
        found.append((EMBEDDED, " ".join([platform.python_version(), version("torch"), version("numpy")])))
    return found


def files(
    sources: Sequence[str | Path], reading: Reading | None = None, passed: list[Path] | None = None
) -> list[tuple[Path, int]]:
    """List the files that `read` would read, each once, with sizes in bytes; folders in the order of names.

    `passed` takes what stands in folders and is of another kind, or no file.
    """
    as_text = (reading or Reading()).as_text
    found: dict[Path, tuple[Path, int]] = {}
    for source in sources:
        root = Path(source)
        if str(source) == EMBEDDED or is_hub(str(source)):
            continue
        if root.is_dir():
            if any(root.glob("train-*.tok")):
                raise DataError(f"{root}: is a data folder already; expected files or folders of text")
            below = sorted(_walk(root))
            inside = [path for path in below if path.is_file()]
            paths = [path for path in inside if kind(path, as_text)]
            others = [path for path in inside if not kind(path, as_text)]
            if not paths:
                what = f"none among {len(inside)} files; {advice(others)}" if inside else "an empty folder"
                raise DataError(f"{root}: expected files of text ({KNOWN}), found {what}")
            if passed is not None:
                taken = {*paths}
                passed += [path for path in below if path not in taken]
        elif not root.exists():
            raise DataError(f"{root}: no such file or folder")
        elif special(root):
            raise DataError(f"{root}: expected a file or a folder, found a device or a pipe")
        elif not kind(root, as_text):
            raise DataError(f"{root}: unknown type of file: expected {KNOWN}, or {advice([root])}")
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


def documents(file: TextFile) -> Iterator[Document]:
    """Yield the documents of one file."""
    path, suffix = str(file.path), kind(file.path, file.reading.as_text)
    if suffix in PLAIN:
        for number, text in file.parts():
            yield Document(main_content(text, path) if suffix in PAGES else text, str(number), path)
    else:
        yield from _of_rows(rows(file, file.reading.keys), path, file.reading, file.counts)


def _of_rows(found: Rows, name: str, reading: Reading, counts: Counts) -> Iterator[Document]:
    for number, row in found:
        if (text := _text(row, f"{name}:{number}", reading, counts)) is not None:
            yield Document(text, str(number), name)


def main_content(page: str, where: str) -> str:
    """Return the text of an HTML page without menus, scripts and footers; headings and items have lines of their own.

    `resiliparse` does the work (Bevendorff et al. 2018); it parses what browsers parse, however broken.
    """
    html = extra("resiliparse.extract.html2text", f"{where}: reading HTML")
    page = page.replace("\0", "").encode("utf-8", "replace").decode()  # it reads UTF-8, where a NUL would end the page
    return str(html.extract_plain_text(_flat(page), main_content=True, alt_texts=False, preserve_formatting=True))


def _flat(page: str) -> str:
    """Return a page without blocks nested deeper than `DEEPEST`, which become line ends.

    The time of finding the main content grows with the number of blocks times their depth.
    """
    depth = 0

    def bounded(tag: re.Match[str]) -> str:
        nonlocal depth
        if tag[1]:
            depth = max(0, depth - 1)
            return tag[0] if depth < DEEPEST else "</x"
        depth += 1
        return tag[0] if depth <= DEEPEST else "<br"

    return _BLOCK.sub(bounded, page)


def _text(row: dict[str, Any], where: str, reading: Reading, counts: Counts) -> str | None:
    """Return the text of a row; None where the policy leaves the row out."""
    key = next((key for key in reading.keys if key in row), None)
    text = row.get(key) if key else None
    if not isinstance(text, str):
        problem = f'"{key}": expected a string, found {text!r:.60}'
        if key is None:
            wanted = " or ".join(f'"{key}"' for key in reading.keys)
            problem = f"expected the key {wanted}, found {', '.join(map(repr, row)) or 'none':.200}"
        texts = [key for key, value in row.items() if isinstance(value, str) and key not in reading.keys]
        if key is None and texts:  # the longest is the best guess; the keys that count now stay for other files
            guess = max(texts, key=lambda key: len(row[key]))
            problem += f"; name the key of the text (--text-key {','.join((*reading.keys, guess))}),"
        reading.reject(f"{where}: {problem} or go on without such rows (--skip-bad)", "row without text", counts)
        return None
    if len(text) > reading.longest_bytes:
        counts[f"{NOT_READ}row over {reading.longest_bytes} bytes"] += 1
        return None
    text = encoding.tidy(text, counts)
    return main_content(text, where) if reading.html_rows else text
