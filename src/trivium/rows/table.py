"""Files of rows as plain tables: each row is a dictionary with its address.

Formats: .jsonl, .csv, .tsv and .parquet as `corpus.read` reads them; .json; CoNLL (.conll, .bio, .iob, .iob2) as tokens
and tags; .txt, .csv and .tsv without a header, whose columns have numbers from 1. A .json file is a list of rows, a
list under a key, an object with a row for each id, or a row on each line; a .jsonl file may hold a list too. Nested
rows become flat: SQuAD's articles and paragraphs become one row a question, an instruction with several `instances`
one row an instance (`file:3.2` is the second of the third row). A folder is a row for each picture in it and below,
with the text of the .txt file of its name.

A table does not know what a row means.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from trivium.base.errors import ConfigError, DataError, told
from trivium.corpus.read import records as tables
from trivium.corpus.read import unpack
from trivium.corpus.read.reading import Counts, Reading
from trivium.corpus.read.text import TextFile
from trivium.image.read import beside
from trivium.rows.cell import listed

Row = tuple[str, dict[str, Any]]
CONLL = (".conll", ".bio", ".iob", ".iob2")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".ppm", ".tif", ".tiff")
"""The names of pictures in a folder of rows."""
LOOKED = 1000
"""The first lines of a CoNLL file that tell its columns and tags."""
LARGEST_JSON = 1 << 30
"""The largest .json file in bytes, for it is read whole; larger data belong in .jsonl."""
SPEAKERS = {"role", "from", "speaker"}
"""Keys of a turn: a list of turns is part of a row, not a list of rows."""


def rows(
    path: str | Path,
    numbered: bool = False,
    key: str | None = None,
    encoding: str | None = None,
    counts: Counts | None = None,
) -> Iterator[Row]:
    """Stream the rows of a file as (file:row, row); rows count from 1.

    The columns of a `numbered` table have the keys "1", "2", ...; it has no header. `key` is that of the list of rows
    in a .json file with several lists. `counts` takes the reasons of repairs and of lines left out. A file whose
    encoding is neither given, nor UTF-8, nor surely recognised is a DataError.
    """
    path = Path(path)
    kind = suffix(path)
    if path.is_dir():
        yield from _pictures(path, encoding, Counts() if counts is None else counts)
        return
    reading = Reading(encoding=encoding, unsure="stop")
    file = TextFile(path, reading, Counts() if counts is None else counts)
    if kind in CONLL:
        yield from _conll(file)
    elif numbered:
        yield from _numbered(file, kind)
    elif kind == ".json" or (kind == ".jsonl" and _first(path, reading) == "["):
        yield from _flat(_listed(file, key))
    elif kind == ".txt":
        raise DataError(
            f"{path}: a .txt file of rows is a table: choose its columns by number, such as `--columns 1,2`"
        )
    else:
        made = listed if kind in (".csv", ".tsv") else dict
        yield from _flat((f"{path}:{number}", made(row)) for number, row in tables.rows(file))


def _pictures(folder: Path, encoding: str | None, counts: Counts) -> Iterator[Row]:
    """Yield the pictures of a folder in the order of their names, each with the text beside it, if there is one."""
    if not (found := pictures_in(folder)):
        raise DataError(f"{folder}: expected pictures ({' '.join(PICTURES)}) and their .txt files, found none")
    texts = {path.relative_to(folder) for path in folder.rglob("*.txt")}
    if alone := texts - {name.with_suffix(".txt") for name in found}:
        counts["text without a picture of its name, not used"] += len(alone)
    for name in found:
        row: dict[str, Any] = {"image": str(name)}
        if name.with_suffix(".txt") in texts:
            try:
                text = beside(folder, str(name.with_suffix(".txt")))
            except ValueError as wrong:
                raise DataError(f"{folder / name}: {wrong}") from None
            lines = TextFile(text, Reading(encoding=encoding, unsure="stop"), counts).lines()
            row["text"] = "".join(line for _, line in lines).rstrip("\r\n")
        yield str(folder / name), row


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures in a folder and below, by their names there, in order."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and not path.name.startswith("."))
    return sorted(path.relative_to(folder) for path in found)


def _first(path: Path, reading: Reading) -> str:
    """Return the first character of a file that is no white space."""
    return next((line.strip()[0] for _, line in TextFile(path, reading).lines() if line.strip()), "")


def suffix(path: Path) -> str:
    """Return the suffix of a file name, without that of its compression."""
    return Path(unpack.inner_name(path)).suffix


def _listed(file: TextFile, key: str | None) -> Iterator[Row]:
    path = file.path
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    reading = file.reading.replace(longest_bytes=LARGEST_JSON, unpack_bytes=LARGEST_JSON)
    text = "".join(line for _, line in TextFile(path, reading, file.counts).lines())
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as broken:
        problem = f"line {broken.lineno}: not JSON: {broken.msg} at column {broken.colno}"
        if broken.msg != "Extra data" or broken.lineno == 1:
            raise DataError(f"{path}: {problem}") from None
        yield from _lines(path, text)
        return
    except (ValueError, RecursionError) as broken:
        raise DataError(f"{path}: not JSON that can be read: {told(broken)}") from None
    for number, row in enumerate(_rows(path, tree, key), start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: expected an object, found {type(row).__name__}")
        yield f"{path}:{number}", row


def _lines(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError) as broken:
            raise DataError(f"{path}: line {number}: not JSON: {told(broken)}") from None
        if isinstance(row, dict):
            yield f"{path}:{number}", row
        elif row is not None:
            raise DataError(f"{path}:{number}: expected an object, found {type(row).__name__}")


def _rows(path: Path, tree: Any, key: str | None) -> list[Any]:
    """Return the rows of a .json file: a list, a list under a key, an object of rows by id, or a single row."""
    if isinstance(tree, list):
        return tree
    if not isinstance(tree, dict):
        raise DataError(f"{path}: expected a list of rows, or one under a key, found {type(tree).__name__}")
    if key is not None and not isinstance(tree.get(key), list):
        raise DataError(f"{path}: key: expected a list under one of {', '.join(tree)}, found {key!r}")
    lists = {name: rows for name, rows in tree.items() if isinstance(rows, list) and _are_rows(rows)}
    name = key or (
        "data" if isinstance(tree.get("data"), list) else next(iter(lists), None) if len(lists) == 1 else None
    )
    if name is not None:
        return tree[name]  # type: ignore[no-any-return]
    if lists:
        raise DataError(
            f"{path}: found several lists of rows: {', '.join(lists)}; choose one by data.rows.key={next(iter(lists))}"
        )
    if tree and all(isinstance(row, dict) for row in tree.values()):
        return [{"id": name, **row} for name, row in tree.items()]
    return [tree]


def _are_rows(rows: list[Any]) -> bool:
    return bool(rows) and all(isinstance(row, dict) for row in rows) and not SPEAKERS & rows[0].keys()


def _flat(rows: Iterable[Row]) -> Iterator[Row]:
    for where, row in rows:
        if isinstance(row.get("paragraphs"), list):
            yield from _questions(where, row)
        elif isinstance(row.get("instances"), list) and "instruction" in row:
            rest = {key: value for key, value in row.items() if key != "instances"}
            for number, instance in enumerate(row["instances"], start=1):
                if not isinstance(instance, dict):
                    raise DataError(f"{where}: instances[{number - 1}]: expected an object, found {instance!r:.60}")
                yield f"{where}.{number}" if len(row["instances"]) > 1 else where, {**rest, **instance}
        else:
            yield where, row


def _questions(where: str, article: dict[str, Any]) -> Iterator[Row]:
    """Yield the questions of one article of SQuAD, each with its paragraph."""
    number, title = 0, {"title": article["title"]} if "title" in article else {}
    for i, paragraph in enumerate(article["paragraphs"]):
        key = f"paragraphs[{i}]"
        try:
            for j, asked in enumerate(paragraph["qas"]):
                number, key = number + 1, f"paragraphs[{i}].qas[{j}]"
                given = asked.get("answers")  # a row that only asks has none
                row = {
                    "id": f"{where}.{number}",
                    **asked,
                    **title,
                    "context": paragraph["context"],
                    "question": asked["question"],
                    "answers": given
                    if given is None
                    else {name: [one[name] for one in given] for name in ("text", "answer_start")},
                }
                yield f"{where}.{number}", row
        except (KeyError, TypeError, AttributeError) as wrong:
            raise DataError(
                f"{where}: {key}: expected SQuAD's keys context, qas, question and answers: "
                f"{type(wrong).__name__} {wrong}"
            ) from None


def _numbered(file: TextFile, kind: str) -> Iterator[Row]:
    """Yield the lines of a table without a header: cells are parted by tabs, in .csv as `records` finds out.

    In .txt a quotation mark is always a letter.
    """
    path = file.path
    if kind not in (".txt", ".tsv", ".csv"):
        raise ConfigError(f"columns: {path}: numbers are for .txt, .tsv and .csv; name the columns instead")
    if kind != ".txt":
        lines: Iterable[tuple[int, list[str]]] = tables.cells(file, "\t" * (kind == ".tsv"))
    else:
        lines = ((number, line.rstrip("\r\n").split("\t")) for number, line in _said(file))
    for number, cells in lines:
        yield f"{path}:{number}", listed({str(i): cell for i, cell in enumerate(cells, start=1)})


def _said(file: TextFile) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, and count the others."""
    for number, line in file.lines():
        if line.strip():
            yield number, line
        else:
            file.counts[tables.BLANK] += 1


def _conll(file: TextFile) -> Iterator[Row]:
    """Yield the sentences of a CoNLL file: each line is a word and its tag, the first and the last column.

    Where the columns are parted by tabs, a word keeps its spaces. A line that begins with `#` is a comment, unless it
    has the columns of the file and a tag that other lines have; comments are counted.
    """
    lines = file.lines()
    head = list(islice(lines, LOOKED))
    words = [line for _, line in head if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    tabs = any("\t" in line for line in words[:1])
    part = partial(_columns, tabs=tabs)
    width, known = len(part(words[0])) if words else 0, {part(line)[-1] for line in words}
    tokens: list[str] = []
    tags: list[str] = []
    begin, path = 1, file.path
    for number, line in chain(head, lines):
        cells = part(line)
        if line.startswith("#") and not (
            ("\t" in line) == tabs and len(cells) == width and (tabs or cells[-1] in known)
        ):
            file.counts["line that begins with #, read as a comment"] += 1
        elif cells and not line.startswith("-DOCSTART-"):
            if len(cells) < 2:
                raise DataError(f"{path}:{number}: expected a word and its tag, found {line.strip()!r:.60}")
            begin = begin if tokens else number
            tokens.append(cells[0])
            tags.append(cells[-1])
        elif tokens:
            yield f"{path}:{begin}", {"tokens": tokens, "tags": tags}
            tokens, tags = [], []
    if tokens:
        yield f"{path}:{begin}", {"tokens": tokens, "tags": tags}


def _columns(line: str, tabs: bool) -> list[str]:
    """Return the columns of a line, parted by tabs, or by runs of blanks; none of a blank line."""
    line = line.rstrip("\r\n")
    if not line.strip():
        return []
    return (
        [cell.strip(" ") for cell in line.split("\t")]
        if tabs and "\t" in line
        else re.split("[ \t]+", line.strip(" \t"))
    )
