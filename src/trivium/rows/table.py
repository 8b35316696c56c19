"""Files of rows as plain tables, one at a time, each with its address.

Read are .jsonl, .csv, .tsv and .parquet as `sources` reads them, .json (a list of rows, or a list under "data"), and
with `columns` any table, .txt included. What nests rows is laid flat: SQuAD's articles and paragraphs become one row a
question, an instruction with several `instances` one row an instance (`file:3.2` is the second of the third row).

It refuses to know what a row means.
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

Record = tuple[str, dict[str, Any]]
LARGEST_JSON = 1 << 30
"""Bytes of a .json file, which is read whole; larger ones belong in .jsonl."""


def records(
    path: str | Path, columns: Sequence[str] = (), names: tuple[str, str] = ("source", "target")
) -> Iterator[Record]:
    """Stream the rows of a file as (file:row, row); rows count from 1.

    `columns` are two of a table, by the names of its header or, where it has none, by number; they become `names`.
    """
    path = Path(path)
    kind = suffix(path)
    if columns:
        for where, (source, target) in _chosen(path, kind, columns):
            yield where, {names[0]: source, names[1]: target}
    elif kind == ".json":
        yield from _flat(_listed(path))
    elif kind == ".txt":
        raise DataError(
            f"{path}: a .txt of rows is a table: say by `columns` which two are meant, "
            'such as data.rows.columns=["1","2"]'
        )
    else:
        yield from _flat(tables.records(path))


def suffix(path: Path) -> str:
    """What a file says it holds, without its compression."""
    return Path(unpack.inner_name(path)).suffix


def _listed(path: Path) -> Iterator[Record]:
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
                "a file with one object a line is called .jsonl"
            ) from None
        except RecursionError:
            raise DataError(f"{path}: not JSON that can be read: nested too deeply") from None
    rows = tree.get("data") if isinstance(tree, dict) else tree
    if not isinstance(rows, list):
        raise DataError(f'{path}: expected a list of rows, or one under "data", found {type(tree).__name__}')
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: expected an object, found {type(row).__name__}")
        yield f"{path}:{number}", row


def _flat(rows: Iterable[Record]) -> Iterator[Record]:
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


def _questions(where: str, article: dict[str, Any]) -> Iterator[Record]:
    """SQuAD's questions of one article, each with its paragraph."""
    number = 0
    for i, paragraph in enumerate(article["paragraphs"]):
        try:
            for j, asked in enumerate(paragraph["qas"]):
                number += 1
                key = f"paragraphs[{i}].qas[{j}]"
                answers = {
                    "text": [one["text"] for one in asked["answers"]],
                    "answer_start": [one["answer_start"] for one in asked["answers"]],
                }
                yield (
                    f"{where}.{number}",
                    {
                        "id": asked.get("id", f"{where}.{number}"),
                        "title": article.get("title", ""),
                        "context": paragraph["context"],
                        "question": asked["question"],
                        "answers": answers,
                    },
                )
        except (KeyError, TypeError) as wrong:
            key = f"paragraphs[{i}]" if not number else key
            raise DataError(
                f"{where}: {key}: expected SQuAD's keys context, qas, question and answers: "
                f"{type(wrong).__name__} {wrong}"
            ) from None


def _chosen(path: Path, kind: str, columns: Sequence[str]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Two columns of a table."""
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
        raise ConfigError(f"columns: {path}: numbers choose from .txt, .tsv and .csv; give the names of the columns")
    last = max(int(source), int(target))
    if min(int(source), int(target)) < 1:
        raise ConfigError("columns: expected numbers from 1")
    for number, cells in _cells(path, kind):
        if len(cells) < last:
            raise DataError(f"{path}:{number}: expected at least {last} columns, found {len(cells)}")
        yield f"{path}:{number}", (cells[int(source) - 1], cells[int(target) - 1])


def _cells(path: Path, kind: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line of a table without a header; a tab parts them, and in .csv a comma with its quotes."""
    lines = ((number, line) for number, line in TextFile(path).lines() if line.strip())
    if kind != ".csv":
        yield from ((number, line.rstrip("\r\n").split("\t")) for number, line in lines)
        return
    yield from enumerate(csv.reader(line for _, line in lines), start=1)
