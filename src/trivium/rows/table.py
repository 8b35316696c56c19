"""Files of rows as plain tables: each row is a dictionary with its address.

Formats: .jsonl, .csv, .tsv and .parquet as `corpus.read` reads them; .json (a list of rows, or a list under
"data"); CoNLL (.conll, .bio, .iob, .iob2) as tokens and tags; with `columns` any table, .txt included. Nested rows
become flat: SQuAD's articles and paragraphs become one row a question, an instruction with several `instances` one row
an instance (`file:3.2` is the second of the third row).

A table does not know what a row means.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from trivium.base.errors import ConfigError, DataError
from trivium.corpus.read import records as tables
from trivium.corpus.read import unpack
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.text import TextFile

Row = tuple[str, dict[str, Any]]
CONLL = (".conll", ".bio", ".iob", ".iob2")
LARGEST_JSON = 1 << 30
"""The largest .json file in bytes, for it is read whole; larger data belong in .jsonl."""


def rows(path: str | Path, columns: Sequence[str] = (), names: tuple[str, str] = ("source", "target")) -> Iterator[Row]:
    """Stream the rows of a file as (file:row, row); rows count from 1.

    `columns` are two of a table, by the names of its header or by number if it has none; they are renamed to `names`.
    """
    path = Path(path)
    kind = suffix(path)
    if kind in CONLL:
        yield from _conll(path)
    elif columns:
        for where, values in _chosen(path, kind, columns):
            yield where, dict(zip(names, values, strict=True))
    elif kind == ".json":
        yield from _flat(_listed(path))
    elif kind == ".txt":
        raise DataError(
            f"{path}: a .txt file of rows is a table: choose two columns by `columns`, "
            'such as data.rows.columns=["1","2"]'
        )
    else:
        yield from _flat(tables.records(path))


def suffix(path: Path) -> str:
    """Return the suffix of a file name, without that of its compression."""
    return Path(unpack.inner_name(path)).suffix


def _listed(path: Path) -> Iterator[Row]:
    reading = Reading()
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with unpack.opening(path, reading.unpack_ratio, LARGEST_JSON) as handle:
        try:
            tree = json.loads(handle.read().decode("utf-8-sig"))
        except UnicodeDecodeError as wrong:
            raise DataError(f"{path}: byte {wrong.start}: expected UTF-8") from None
        except json.JSONDecodeError as broken:
            raise DataError(
                f"{path}: line {broken.lineno}: not JSON: {broken.msg} at column {broken.colno}; "
                "name a file with one object per line .jsonl"
            ) from None
        except RecursionError:
            raise DataError(f"{path}: not readable JSON: nested too deeply") from None
    rows = tree.get("data") if isinstance(tree, dict) else tree
    if not isinstance(rows, list):
        raise DataError(f'{path}: expected a list of rows, or one under "data", found {type(tree).__name__}')
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: expected an object, found {type(row).__name__}")
        yield f"{path}:{number}", row


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
    number = 0
    for i, paragraph in enumerate(article["paragraphs"]):
        key = f"paragraphs[{i}]"
        try:
            for j, asked in enumerate(paragraph["qas"]):
                number, key = number + 1, f"paragraphs[{i}].qas[{j}]"
                row = {
                    "id": asked.get("id", f"{where}.{number}"),
                    "title": article.get("title", ""),
                    "context": paragraph["context"],
                    "question": asked["question"],
                    "answers": {name: [one[name] for one in asked["answers"]] for name in ("text", "answer_start")},
                }
                yield f"{where}.{number}", row
        except (KeyError, TypeError) as wrong:
            raise DataError(
                f"{where}: {key}: expected SQuAD's keys context, qas, question and answers: "
                f"{type(wrong).__name__} {wrong}"
            ) from None


def _chosen(path: Path, kind: str, columns: Sequence[str]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield two columns of a table."""
    if len(columns) != 2:
        raise ConfigError(f"columns: expected two, source and target, found {', '.join(columns)}")
    source, target = columns
    if not (source.isdigit() and target.isdigit()):
        for where, row in tables.records(path) if kind != ".json" else _listed(path):
            if missing := next((name for name in columns if name not in row), None):
                raise DataError(f"{where}: expected the column {missing!r}, found {', '.join(map(str, row))}")
            yield where, (row[source], row[target])
        return
    if kind not in (".txt", ".tsv", ".csv"):
        raise ConfigError(f"columns: {path}: numbers are for .txt, .tsv and .csv; name the columns instead")
    last = max(int(source), int(target))
    if min(int(source), int(target)) < 1:
        raise ConfigError("columns: expected numbers from 1")
    for number, cells in _cells(path, kind):
        if len(cells) < last:
            raise DataError(f"{path}:{number}: expected at least {last} columns, found {len(cells)}")
        yield f"{path}:{number}", (cells[int(source) - 1], cells[int(target) - 1])


def _cells(path: Path, kind: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line of a table without a header, separated by tabs, in .csv by commas."""
    lines = ((number, line) for number, line in TextFile(path).lines() if line.strip())
    if kind != ".csv":
        yield from ((number, line.rstrip("\r\n").split("\t")) for number, line in lines)
        return
    yield from enumerate(csv.reader(line for _, line in lines), start=1)


def _conll(path: Path) -> Iterator[Row]:
    """Yield the sentences of a CoNLL file: each line is a word and its tag, the first and the last column."""
    tokens: list[str] = []
    tags: list[str] = []
    begin = 1
    for number, line in TextFile(path).lines():
        cells = line.split()
        if cells and cells[0] not in ("-DOCSTART-", "#"):
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
