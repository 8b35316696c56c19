"""Records: the rows of .jsonl, .csv, .tsv and .parquet files, one at a time, with their addresses."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.corpus.read import parquet
from trivium.corpus.read.reading import TABLES, Counts, Reading, kind
from trivium.corpus.read.text import TextFile

Rows = Iterator[tuple[int, dict[str, Any]]]


def records(
    path: str | Path, reading: Reading | None = None, counts: Counts | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a file as (file:row, row); rows count from 1.

    In .jsonl the row number is the line number; blank lines are skipped. Raises DataError with the address of a row
    that cannot be read.
    """
    path = Path(path)
    for number, row in rows(path, reading or Reading(), Counts() if counts is None else counts):
        yield f"{path}:{number}", row


def rows(path: Path, reading: Reading, counts: Counts, wanted: Sequence[str] = ()) -> Rows:
    """Yield (number, row) of a file; `wanted` columns are enough, where the format can read some alone."""
    file = TextFile(path, reading, counts)
    match kind(path):
        case ".jsonl":
            return _json(file)
        case ".csv":
            return _csv(file, ",")
        case ".tsv":
            return _csv(file, "\t")
        case ".parquet":
            return parquet.rows(path, reading.unpack_ratio, reading.unpack_bytes, wanted)
    raise DataError(f"{path}: expected a file of rows: {', '.join(TABLES)}")


def _json(file: TextFile) -> Rows:
    for number, line in file.lines():
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
            file.reading.reject(f"{file.path}:{number}: {problem}", "row that is no JSON object", file.counts)
        else:
            yield number, row


def _csv(file: TextFile, delimiter: str) -> Rows:
    path = file.path
    csv.field_size_limit(file.reading.longest_bytes)
    # NUL is removed here, because versions of the CSV reader treat it differently.
    without = (line.replace("\0", "") for _, line in file.lines())
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
