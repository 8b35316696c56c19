"""Records: the rows of .jsonl, .csv, .tsv and .parquet files, one at a time, with their addresses."""

import csv
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from trivium.base.errors import DataError, told
from trivium.corpus.read import parquet
from trivium.corpus.read.reading import TABLES, Counts, kind
from trivium.corpus.read.text import TextFile

STATED = re.compile(r'"?sep=([,;|\t])"?', re.I)
SNIFFED = 100
"""The first lines that tell how the cells of a CSV file are parted."""
BLANK = "blank line, passed over"
Rows = Iterator[tuple[int, dict[str, Any]]]


def rows(file: TextFile, wanted: Sequence[str] = ()) -> Rows:
    """Yield (number from 1, row) of a file; `wanted` columns are enough, where the format can read some alone.

    In .jsonl the row number is the line number; blank lines are skipped. Raises DataError with the address of a row
    that cannot be read.
    """
    match kind(file.path):
        case ".jsonl":
            return _json(file)
        case ".csv":
            return _csv(file)
        case ".tsv":
            return _csv(file, "\t")
        case ".parquet":
            return parquet.rows(file.path, file.reading.unpack_ratio, file.reading.unpack_bytes, wanted)
    raise DataError(f"{file.path}: expected a file of rows: {', '.join(TABLES)}")


def _json(file: TextFile) -> Rows:
    for number, line in file.lines():
        if not line.strip():
            file.counts[BLANK] += 1
            continue
        try:
            row = json.loads(line)
            problem = "" if isinstance(row, dict) else f"expected a JSON object, found {type(row).__name__}"
        except json.JSONDecodeError as broken:
            problem = f"not JSON: {broken.msg} at column {broken.colno}"
        except RecursionError:
            problem = "not JSON that can be read: nested too deeply"
        except ValueError as broken:
            problem = f"not JSON that can be read: {told(broken)}"
        if problem:
            file.reading.reject(f"{file.path}:{number}: {problem}", "row that is no JSON object", file.counts)
        else:
            yield number, row


def cells(file: TextFile, delimiter: str = "") -> Iterator[tuple[int, list[str]]]:
    """Yield (number, cells) of each line of a CSV file that has any; the delimiter is found out unless it is given."""
    csv.field_size_limit(file.reading.longest_bytes)
    lines = (_without_nul(line, file.counts) for _, line in file.lines())
    head = list(islice(lines, SNIFFED))
    if head and (stated := STATED.fullmatch(head[0].strip("\ufeff\r\n"))):  # a line of spreadsheets
        delimiter, head[0] = stated[1], "\n"
    delimiter = delimiter or delimiter_of(head)
    if delimiter == "\t":
        yield from _tabbed(chain(head, lines), file.counts)
        return
    table = csv.reader(chain(head, lines), delimiter=delimiter, strict=True)
    try:
        for number, found in enumerate(table, start=1):
            if found:
                yield number, found
            else:
                file.counts[BLANK] += 1
    except csv.Error as broken:
        raise DataError(f"{file.path}: line {table.line_num}: not CSV: {broken}") from None


def _tabbed(lines: Iterable[str], counts: Counts) -> Iterator[tuple[int, list[str]]]:
    """Yield (number, cells) of lines with tabs: a quotation mark is a letter, unless the whole cell is quoted.

    A line with a wrong number of cells or an odd one of marks may hold a quoted cell with tabs or line ends in it.
    """
    source, ahead = enumerate(lines, start=1), deque[tuple[int, str]]()
    following = lambda: ahead.popleft() if ahead else next(source, None)
    width = 0
    while (line := following()) is not None:
        number, text = line
        found = text.rstrip("\r\n").split("\t")
        if found == [""]:
            counts[BLANK] += 1
            continue
        width = width or len(found)
        taken: list[tuple[int, str]] = []
        if '"' in text and (len(found) != width or text.count('"') % 2):
            while text.count('"') % 2 and text.count("\t") < width and len(taken) < SNIFFED and (more := following()):
                taken.append(more)
                text += more[1]
            if (whole := _quoted(text, width)) is not None:
                yield number, whole
                continue
            ahead.extendleft(reversed(taken))
        yield number, [_unquoted(cell) for cell in found]


def _quoted(text: str, width: int) -> list[str] | None:
    """Return the cells of lines as CSV parts them by tabs; None if they are not one row of this width."""
    try:
        found = list(csv.reader([text], delimiter="\t", strict=True))
    except csv.Error:
        return None
    return found[0] if len(found) == 1 and len(found[0]) == width else None


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if whole else cell


def _without_nul(line: str, counts: Counts) -> str:
    """Remove NUL, which versions of the CSV reader treat differently."""
    if "\0" in line:
        counts["NUL removed"] += 1
        line = line.replace("\0", "")
    return line


def delimiter_of(lines: Sequence[str]) -> str:
    """Return what parts the cells of these first lines: what gives each the same number of cells, more than one.

    The comma goes first, then the delimiter that gives most cells; without any it is the comma.
    """

    def columns(delimiter: str) -> int:
        try:
            found = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return 0
        found = found[:-1] if len(lines) >= SNIFFED else found  # the last one may be cut within quotes
        return found[0] if len({*found}) == 1 else 0

    best = {delimiter: columns(delimiter) for delimiter in ",;\t|"}
    return "," if best[","] > 1 or max(best.values()) < 2 else max(best, key=lambda one: best[one])


def _csv(file: TextFile, delimiter: str = "") -> Rows:
    path, table = file.path, cells(file, delimiter)
    _, header = next(table, (0, None))
    if header is None:
        raise DataError(f"{path}: expected a first line that names the columns, found an empty file")
    for line, row in table:
        if len(row) != len(header):
            raise DataError(f"{path}:{line - 1}: expected {len(header)} columns, found {len(row)}")
        yield line - 1, dict(zip(header, row, strict=True))
