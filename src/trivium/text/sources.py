"""Sources: folders and files become a stream of Documents, whatever the files do to hide their text.

Read are .txt, .md (one document a file), .jsonl, .csv, .tsv, .parquet (one a row; the text stands under "text" or
"content"), each of them also .gz, .zst or .xz, folders of these, and the word `embedded`. Memory stays bounded by one
line or one document: text files longer than that are cut at line ends, longer rows are left out, both counted.

A source that cannot be used is a DataError naming file and position; what was mended or left out is counted by
reason. It refuses to judge what the text is worth: that is `clean`.
"""

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from trivium.base.config import Config
from trivium.base.errors import DataError
from trivium.base.types import Document
from trivium.text import embedded, unpack
from trivium.text.tokenizer import scrub

Counts = Counter[str]
"""How often something was mended or left out, by reason."""

EMBEDDED = "embedded"
PLAIN, TABLES = (".txt", ".md"), (".jsonl", ".csv", ".tsv", ".parquet")
TEXT_KEYS = ("text", "content")
KNOWN = f"{', '.join([*PLAIN, *TABLES])}, and these with {', '.join(unpack.PACKED)}"


class Reading(Config):
    """How sources are read: the key of the text, the policy for invalid UTF-8, and the limits."""

    text_key: str | None = None
    invalid: Literal["replace", "strict", "drop"] = "replace"
    longest_bytes: int = 16 << 20
    unpack_ratio: int = 200
    unpack_bytes: int = 1 << 38


def read(
    sources: Sequence[str | Path],
    reading: Reading | None = None,
    counts: Counts | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Document]:
    """Stream the documents of all sources, files first; `id` is the row or part of its file, `source` the file.

    Reasons of what was mended or left out are added to `counts`; `progress` follows the embedded corpus.
    """
    reading, counts = reading or Reading(), Counter() if counts is None else counts
    for path, _ in files(sources, counts):
        yield from _documents(path, reading, counts)
    if EMBEDDED in map(str, sources):
        yield from embedded.collect(progress=progress)


def files(sources: Sequence[str | Path], counts: Counts | None = None) -> list[tuple[Path, int]]:
    """List the files that `read` would read, each once, with their sizes in bytes; folders in the order of names."""
    found: dict[Path, tuple[Path, int]] = {}
    for source in sources:
        root = Path(source)
        if str(source) == EMBEDDED:
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
            raise DataError(f"{root}: cannot tell what is in it: expected {KNOWN}")
        else:
            paths = [root]
        for path in paths:
            found.setdefault(path.resolve(), (path, path.stat().st_size))
    return list(found.values())


def records(
    path: str | Path, reading: Reading | None = None, counts: Counts | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stream the rows of a .jsonl, .csv, .tsv or .parquet file as (file:row, row); rows count from 1.

    In .jsonl the row number is the line number, and blank lines are passed over.
    """
    path, reading, counts = Path(path), reading or Reading(), Counter() if counts is None else counts
    for number, row in _rows(path, reading, counts):
        yield f"{path}:{number}", row


def _walk(root: Path) -> Iterator[Path]:
    """Files below a folder; hidden ones and links to folders are passed over."""

    def failed(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot read: {error.strerror}") from error

    for folder, folders, names in os.walk(root, onerror=failed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def kind(path: Path) -> str:
    """The suffix that says what is in a file, without its compression; "" if none is known."""
    name = path.name.lower()
    inner = name.removesuffix(Path(name).suffix) if name.endswith(unpack.PACKED) else name
    suffix = Path(inner).suffix
    return suffix if suffix in (*PLAIN, *TABLES) and not (suffix == ".parquet" and inner != name) else ""


def _documents(path: Path, reading: Reading, counts: Counts) -> Iterator[Document]:
    if kind(path) in PLAIN:
        for number, text in enumerate(_parts(path, reading, counts), start=1):
            yield Document(text, str(number), str(path))
        return
    for number, row in _rows(path, reading, counts):
        keys = (reading.text_key,) if reading.text_key else TEXT_KEYS
        key = next((key for key in keys if key in row), None)
        if key is None:
            wanted = " or ".join(f'"{key}"' for key in keys)
            raise DataError(f"{path}:{number}: expected the key {wanted}, found {', '.join(map(repr, row)) or 'none'}")
        if not isinstance(row[key], str):
            raise DataError(f'{path}:{number}: "{key}": expected a string, found {row[key]!r:.60}')
        yield Document(_tidy(row[key], counts), str(number), str(path))


def _parts(path: Path, reading: Reading, counts: Counts) -> Iterator[str]:
    """A text file as one document, or as several where it is longer than a document may be."""
    with unpack.opening(path, reading.unpack_ratio, reading.unpack_bytes) as handle:
        offset, rest, first = 0, b"", True
        while True:
            block = handle.read(reading.longest_bytes - len(rest))
            part, rest = rest + block, b""
            if block and len(part) >= reading.longest_bytes:
                cut = part.rfind(b"\n") + 1 or _character(part)
                part, rest = part[:cut], part[cut:]
                counts["text file cut: longer than one document may be"] += 1
            if (part or first) and (text := _decode(part, path, offset, reading, counts)) is not None:
                yield _tidy(text, counts)
            offset, first = offset + len(part), False
            if not block:
                return


def _character(part: bytes) -> int:
    """Where a long line may be cut without cutting a character."""
    at = len(part)
    while at > max(0, len(part) - 4) and part[at - 1] & 0xC0 == 0x80:
        at -= 1
    return max(at - 1, 1)


def _rows(path: Path, reading: Reading, counts: Counts) -> Iterator[tuple[int, dict[str, Any]]]:
    match kind(path):
        case ".jsonl":
            yield from _json(path, reading, counts)
        case ".csv":
            yield from _csv(path, ",", reading, counts)
        case ".tsv":
            yield from _csv(path, "\t", reading, counts)
        case ".parquet":
            yield from _parquet(path)
        case _:
            raise DataError(f"{path}: expected a file of rows: {', '.join(TABLES)}")


def _json(path: Path, reading: Reading, counts: Counts) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines(path, reading, counts):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as broken:
            raise DataError(f"{path}:{number}: not JSON: {broken.msg} at column {broken.colno}") from None
        except (ValueError, RecursionError) as broken:
            why = "nested too deeply" if isinstance(broken, RecursionError) else str(broken)
            raise DataError(f"{path}:{number}: not JSON that can be read: {why}") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: expected a JSON object, found {type(row).__name__}")
        yield number, row


def _csv(path: Path, delimiter: str, reading: Reading, counts: Counts) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(reading.longest_bytes)
    # A NUL is no text; removed here because readers of CSV differ in what they make of it.
    without = (line.replace("\0", "") for _, line in lines(path, reading, counts))
    table = csv.reader(without, delimiter=delimiter, strict=True)
    try:
        header = next(table, None)
        if header is None:
            raise DataError(f"{path}: expected a first line that names the columns, found an empty file")
        for number, cells in enumerate(table, start=1):
            if cells and len(cells) != len(header):
                raise DataError(f"{path}:{number}: expected {len(header)} columns, found {len(cells)}")
            if cells:
                yield number, dict(zip(header, cells, strict=True))
    except csv.Error as broken:
        raise DataError(f"{path}: line {table.line_num}: not CSV: {broken}") from None


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{path}: reading .parquet needs pyarrow: pip install 'trivium[data]'") from None
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=256):
                for number, row in enumerate(batch.to_pylist(), start=number + 1):  # noqa: B020
                    yield number, row
    except (pyarrow.ArrowException, OSError) as broken:
        raise DataError(f"{path}: not a parquet file that can be read: {str(broken).splitlines()[0]}") from None


def lines(path: Path, reading: Reading = Reading(), counts: Counts | None = None) -> Iterator[tuple[int, str]]:
    """Numbered lines of text with their ends; those too long, or invalid under `drop`, are left out and counted."""
    counts = Counter() if counts is None else counts
    with unpack.opening(path, reading.unpack_ratio, reading.unpack_bytes) as handle:
        offset = number = 0
        while raw := handle.readline(reading.longest_bytes + 1):
            number, start = number + 1, offset
            offset += len(raw)
            if len(raw) > reading.longest_bytes and not raw.endswith(b"\n"):
                while raw and not raw.endswith(b"\n"):
                    raw = handle.readline(1 << 20)
                    offset += len(raw)
                counts[f"line over {reading.longest_bytes} bytes"] += 1
            elif (line := _decode(raw, path, start, reading, counts)) is not None:
                yield number, line.removeprefix("\ufeff") if number == 1 else line


def _decode(raw: bytes, path: Path, offset: int, reading: Reading, counts: Counts) -> str | None:
    """Text of bytes that start at `offset` of a file; None where the policy says to leave them out."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        if reading.invalid == "strict":
            raise DataError(
                f"{path}: byte {offset + wrong.start}: expected UTF-8, found 0x{raw[wrong.start]:02x} "
                f"({wrong.reason}); convert the file, or read it with invalid = 'replace'"
            ) from None
    counts[f"invalid UTF-8, {reading.invalid}"] += 1
    return raw.decode("utf-8", "replace") if reading.invalid == "replace" else None


def _tidy(text: str, counts: Counts) -> str:
    """One kind of line end, no BOM, no NUL, no half surrogate pairs."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        counts["NUL removed"] += 1
        text = text.replace("\0", "")
    if re.search("[\ud800-\udfff]", text):
        counts["lone surrogate replaced"] += 1
        text = scrub(text)
    return text.removeprefix("\ufeff")
