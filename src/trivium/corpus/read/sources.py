"""Sources: folders and files become a stream of Documents, whatever the files do to hide their text.

Read are .txt, .md, .html (one document a file), .jsonl, .csv, .tsv, .parquet (one a row; the text stands under "text"
or "content"), each of them also .gz, .zst or .xz, folders of these, data sets as `hf:NAME[:SPLIT][:COLUMN]` (see
`hub`), and the word `embedded`. Memory stays bounded by one line or one document: text files longer than that are cut
at line ends, longer rows are left out, both counted. Every row of a file is a document or is counted as left out.

A source that cannot be used is a DataError naming file and position; what was mended or left out is counted by
reason. It refuses to judge what the text is worth: that is `clean`.
"""

import codecs
import csv
import io
import json
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Literal, Self

from pydantic import model_validator

from trivium.base.config import Config
from trivium.base.errors import DataError
from trivium.base.types import Document
from trivium.corpus.read import embedded, encoding, hub, parquet, unpack
from trivium.corpus.read.markup import main_content

Counts = Counter[str]
"""How often something was mended or left out, by reason."""

EMBEDDED = "embedded"
PAGES = (".html", ".htm", ".xhtml")
PLAIN, TABLES = (".txt", ".md", *PAGES), (".jsonl", ".csv", ".tsv", ".parquet")
TEXT_KEYS = ("text", "content")
KNOWN = f"{', '.join([*PLAIN, *TABLES])}, and these with {', '.join(unpack.PACKED)}"


class Reading(Config):
    """How sources are read: the key of the text, the policies for what is damaged, and the limits."""

    text_key: str | None = None
    encoding: str | None = None
    """What files without a byte order mark are in; None is UTF-8, or what a whole text can be recognised as."""
    invalid: Literal["replace", "strict", "drop"] = "replace"
    broken: Literal["stop", "drop"] = "stop"
    """What becomes of rows that are no JSON object, or have no text: an error, or left out and counted."""
    html_rows: bool = False
    """Whether the texts of rows are HTML too, of which the main content is taken."""
    longest_bytes: int = 16 << 20
    unpack_ratio: int = 200
    unpack_bytes: int = 1 << 38
    most_rows: int | None = None
    """So many rows are taken of each data set of the hub."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.encoding is not None and not encoding.known(self.encoding):
            raise ValueError(f"encoding: {self.encoding!r} is none that Python knows; e.g. utf-16, gb18030, latin-1")
        return self


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
    for name in filter(_on_hub, map(str, sources)):
        yield from _hub_documents(name, reading, counts)
    if EMBEDDED in map(str, sources):
        yield from embedded.collect(progress=progress)


def remote(sources: Sequence[str | Path]) -> list[tuple[str, str]]:
    """The sources that are no files, each with what tells its present state from others."""
    found = [(name, hub.version(name)) for name in map(str, sources) if _on_hub(name)]
    if EMBEDDED in map(str, sources):
        found.append((EMBEDDED, " ".join([platform.python_version(), version("torch"), version("numpy")])))
    return found


def _on_hub(source: str) -> bool:
    return source.startswith(hub.PREFIX)


def files(sources: Sequence[str | Path], counts: Counts | None = None) -> list[tuple[Path, int]]:
    """List the files that `read` would read, each once, with their sizes in bytes; folders in the order of names."""
    found: dict[Path, tuple[Path, int]] = {}
    for source in sources:
        root = Path(source)
        if str(source) == EMBEDDED or _on_hub(str(source)):
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
    if (suffix := kind(path)) in PLAIN:
        for number, text in enumerate(_parts(path, reading, counts), start=1):
            if suffix in PAGES:
                text = main_content(text, str(path))
            yield Document(text, str(number), str(path))
        return
    for number, row in _rows(path, reading, counts, _keys(reading)):
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


def _keys(reading: Reading) -> Sequence[str]:
    return (reading.text_key,) if reading.text_key else TEXT_KEYS


def _text(row: dict[str, Any], where: str, reading: Reading, counts: Counts) -> str | None:
    """The text of a row; None where the policy says to leave the row out."""
    keys = _keys(reading)
    key = next((key for key in keys if key in row), None)
    text = row.get(key) if key else None
    if not isinstance(text, str):
        problem = f'"{key}": expected a string, found {text!r:.60}'
        if key is None:
            wanted = " or ".join(f'"{key}"' for key in keys)
            problem = f"expected the key {wanted}, found {', '.join(map(repr, row)) or 'none':.200}"
        _broken(f"{where}: {problem}", "row without text", reading, counts)
        return None
    if len(text) > reading.longest_bytes:
        counts[f"row over {reading.longest_bytes} bytes"] += 1
        return None
    text = encoding.tidy(text, counts)
    return main_content(text, where) if reading.html_rows else text


def _broken(problem: str, reason: str, reading: Reading, counts: Counts) -> None:
    if reading.broken == "stop":
        raise DataError(problem)
    counts[f"{reason}, dropped"] += 1


@contextmanager
def _opening(path: Path, reading: Reading, counts: Counts) -> Iterator[tuple[IO[bytes], bool]]:
    """Open a file as a stream of UTF-8, whatever it is packed in; and say whether its encoding is known."""
    with unpack.opening(path, reading.unpack_ratio, reading.unpack_bytes) as handle:
        name: str | None = encoding.marked(handle.peek(4)[:4]) or reading.encoding  # type: ignore[attr-defined]
        if name is None and kind(path) in PAGES:
            name = encoding.of_page(handle.peek(4096))  # type: ignore[attr-defined]
        if name is None or codecs.lookup(name).name == "utf-8":
            yield handle, name is not None
        else:
            recoded = encoding.Recoded(handle, name, path, reading.invalid == "strict", counts)
            yield io.BufferedReader(recoded, 1 << 18), True


def _parts(path: Path, reading: Reading, counts: Counts) -> Iterator[str]:
    """A text file as one document, or as several where it is longer than a document may be."""
    with _opening(path, reading, counts) as (handle, known):
        offset, rest, first = 0, b"", True
        while True:
            block = handle.read(reading.longest_bytes - len(rest))
            part, rest = rest + block, b""
            if block and len(part) >= reading.longest_bytes:
                cut = part.rfind(b"\n") + 1 or _character(part)
                part, rest = part[:cut], part[cut:]
                counts["text file cut: longer than one document may be"] += 1
            if part or first:
                text = _decode(part, path, offset, reading, counts, not known and reading.invalid == "replace")
                if text is not None:
                    yield encoding.tidy(text, counts)
            offset, first = offset + len(part), False
            if not block:
                return


def _character(part: bytes) -> int:
    """Where a long line may be cut without cutting a character."""
    at = len(part)
    while at > max(0, len(part) - 4) and part[at - 1] & 0xC0 == 0x80:
        at -= 1
    return max(at - 1, 1)


def _rows(
    path: Path, reading: Reading, counts: Counts, wanted: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, Any]]]:
    match kind(path):
        case ".jsonl":
            yield from _json(path, reading, counts)
        case ".csv":
            yield from _csv(path, ",", reading, counts)
        case ".tsv":
            yield from _csv(path, "\t", reading, counts)
        case ".parquet":
            yield from parquet.rows(path, reading.unpack_ratio, reading.unpack_bytes, wanted)
        case _:
            raise DataError(f"{path}: expected a file of rows: {', '.join(TABLES)}")


def _json(path: Path, reading: Reading, counts: Counts) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines(path, reading, counts):
        if not line.strip():
            continue
        problem = ""
        try:
            row = json.loads(line)
        except json.JSONDecodeError as broken:
            problem = f"not JSON: {broken.msg} at column {broken.colno}"
        except (ValueError, RecursionError) as broken:
            why = "nested too deeply" if isinstance(broken, RecursionError) else str(broken)
            problem = f"not JSON that can be read: {why}"
        else:
            if not isinstance(row, dict):
                problem = f"expected a JSON object, found {type(row).__name__}"
        if problem:
            _broken(f"{path}:{number}: {problem}", "row that is no JSON object", reading, counts)
        else:
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


def lines(path: Path, reading: Reading = Reading(), counts: Counts | None = None) -> Iterator[tuple[int, str]]:
    """Numbered lines of text with their ends; those too long, or invalid under `drop`, are left out and counted."""
    counts = Counter() if counts is None else counts
    with _opening(path, reading, counts) as (handle, _):
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


def _decode(raw: bytes, path: Path, offset: int, reading: Reading, counts: Counts, whole: bool = False) -> str | None:
    """Text of bytes that start at `offset` of a file; None where the policy says to leave them out.

    A whole text that is no UTF-8 may be in an encoding that it can be recognised by.
    """
    if whole and b"\0" in raw[:4096] and (name := encoding.recognise(raw)):
        counts[f"text recognised as {name}"] += 1
        return raw.decode(name, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = error
    if whole and (name := encoding.recognise(raw)):
        counts[f"text recognised as {name}"] += 1
        return raw.decode(name, "replace")
    if reading.invalid == "strict":
        raise DataError(
            f"{path}: byte {offset + wrong.start}: expected UTF-8, found 0x{raw[wrong.start]:02x} "
            f"({wrong.reason}); convert the file, name its encoding, or read it with invalid = 'replace'"
        ) from None
    counts[f"invalid UTF-8, {reading.invalid}"] += 1
    return raw.decode("utf-8", "replace") if reading.invalid == "replace" else None
