"""Files of rows become Records and conversations; every error names the file and the row.

The keys of a row decide its kind; other keys are named once for each file (see `notes`). Where the keys fit several
kinds, the kind with more of them is taken (a `prompt` beside `messages` is a note), then the kind that has more of them
under its own names. If two kinds have as many, that is an error, and the option `format` decides. Only kinds with a
form in words are candidates: a task with a head reads rows of its own kind.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from trivium.base.config import Config, Seq
from trivium.base.errors import ConfigError, DataError
from trivium.base.types import Message
from trivium.corpus.read.encoding import EncodingName
from trivium.image.lines.line import Drawing, is_lines
from trivium.rows import cell, mistake, table
from trivium.rows.lines import drawn
from trivium.rows.notes import Notes
from trivium.rows.record import TAIL, Conversation, Record

BAD = "row that does not fit"
"""The reason under which `skip_bad` counts."""
Made = TypeVar("Made")


class RowReading(Config):
    """How rows are read. By default the keys of a row decide its kind."""

    format: str | None = None
    """The kind of every row, in place of what its keys say."""
    columns: Seq[str] = ()
    """The columns of a table that are read, in the order input and answer (source and target, text and label), or one
    more between them where the kind has one: names of its header, or numbers from 1 for a table without a header."""
    key: str | None = None
    """The key of the list of rows in a .json file that has several."""
    encoding: EncodingName | None = None
    """The encoding of files without a byte order mark; None is UTF-8, or the encoding that a whole file shows."""
    separator: str | None = None
    """What separates the labels in one text, such as "|" or ", "; None is one label."""
    without: Seq[str] = ()
    """Rows with one of these labels are left out and counted."""
    speakers: Mapping[str, Literal["system", "user", "assistant", "tool"]] = {}
    """The roles of speakers that a corpus names differently: `{clerk = "assistant"}`."""
    prefix: str | None = None
    """A text before the last message of the prompt; None is the prefix of the kind."""
    lines: Drawing = Drawing()
    """What lines are drawn of, where a path is `lines:LEVEL`."""
    skip_bad: bool = False
    """Whether rows that do not fit are counted and left out; otherwise the first one ends the run."""


def recognise(names: Iterable[str], asking: bool = False) -> type[Record]:
    """Return the kind of a row with these keys; a ValueError names the keys and the kinds.

    Of several kinds that fit, the one with more of the keys is taken, then the one that has more of them under its own
    names. A row that is `asking` needs no answer; of kinds that fit it alike, the first is taken.
    """
    row = names if isinstance(names, Mapping) else [str(name) for name in names]
    known = [kind for kind in Record.kinds.values() if kind.chats()]
    keys = {kind: kind.keys(row) for kind in known}
    ranks = {
        kind: (len(found.keys() - {"id"}), sum(field == key != "id" for field, key in found.items()))
        for kind, found in keys.items()
        if found.keys() >= {*kind.required(asking)}
    }
    best = [kind for kind, rank in ranks.items() if rank == max(ranks.values())]
    if len(best) == 1 or (best and asking):
        return best[0]
    formats = "; ".join(f"{kind.kind} {{{', '.join(kind.required(asking))}}}" for kind in (best or known))
    found = ", ".join(map(str, row))
    if best:
        raise ValueError(f"the keys {{{found}}} fit several formats: {formats}; choose one by `--format`")
    raise ValueError(
        f"expected the keys of one of the formats {formats}; found {{{found}}}; "
        "`--columns INPUT,ANSWER` chooses two of them"
    )


def format_of(reading: RowReading, kind: type[Record] | None = None) -> type[Record] | None:
    """Return the kind of every row: that of a task with a head, or the one that `format` names; None is by its keys.

    A `format` that is unknown, or not the one of the task, is a ConfigError.
    """
    known = [kind.kind] if kind else sorted(name for name, one in Record.kinds.items() if one.chats())
    if reading.format not in (None, *known):
        wanted = f"{kind.kind}, the rows of this task," if kind else f"one of {', '.join(known)},"
        raise ConfigError(f"format: expected {wanted} found {reading.format!r}")
    return kind or (Record.kinds[reading.format] if reading.format else None)


def parse(row: Mapping[str, Any], kind: type[Record], asking: bool = False) -> Record:
    """Return a row as a Record of this kind; one that does not fit is a ValueError."""
    keys, required = kind.keys(row), kind.required(asking)
    if missing := [field for field in required if field not in keys]:
        raise ValueError(
            f"expected the keys {{{', '.join(required)}}} of {kind.kind} rows, "
            f"found {{{', '.join(map(str, row))}}}; {missing[0]!r} is missing; "
            f"`--columns` chooses them: {' and '.join(kind.wide or kind.columns)}"
        )
    for field in required:
        if row[keys[field]] is None:
            raise ValueError(f"{keys[field]}: expected a value, found null")
    try:
        return cell.validated(kind, {field: row[key] for field, key in keys.items() if row[key] is not None})
    except ValidationError as wrong:
        raise ValueError(mistake.explain(wrong, keys)) from None


def conversation(
    record: Record, reading: RowReading = RowReading(), asking: bool = False, notes: Notes | None = None
) -> Conversation:
    """Return a record in words, with its prefix; what it guesses or leaves out goes to `notes`.

    What stands behind the last answer is left out, unless the record is `asking`. Without an answer it is a ValueError.
    """
    made = record.words(reading.speakers)
    made = made if made.references or asking else _answered(made, record.required()[0])
    prefix = made.prefix if reading.prefix is None else reading.prefix
    if notes is not None:
        notes.asked(prefix, made.remarks)
    if not prefix:
        return replace(made, prefix="")
    *before, last = made.messages or (Message("user", ""),)
    return replace(made, messages=(*before, replace(last, content=prefix + last.content)), prefix="")


def _answered(made: Conversation, key: str) -> Conversation:
    """Return a conversation that ends with its last answer."""
    answers = [i for i, message in enumerate(made.messages) if message.role == "assistant"]
    if not answers:
        raise ValueError(
            f"{key}: expected the assistant's answer at the end, found a turn of the {made.messages[-1].role}"
        )
    last = made.messages[answers[-1]]
    return replace(
        made,
        messages=made.messages[: answers[-1]],
        references=(last.content,),
        train=last.train,
        reasoning=last.reasoning,
        remarks=(*made.remarks, TAIL),
    )


def read(
    make: Callable[[Any], Made],
    paths: Iterable[str | Path],
    reading: RowReading = RowReading(),
    counts: Counter[str] | None = None,
    kind: type[Record] | None = None,
    asking: bool = False,
    notes: Notes | None = None,
) -> Iterator[tuple[str, Made]]:
    """Read files as (where, make(record)); all records are of one `kind`, or each is of the kind of its keys.

    A row that does not fit, or that `make` refuses by a ValueError, is a DataError; with `skip_bad` it is left out and
    counted in `counts`, else in `notes`. Rows that are `asking`, or of a given `kind`, may lack their answer. What the
    rows have beside what is used goes to `notes`.
    """
    wanted, notes = format_of(reading, kind), Notes() if notes is None else notes
    drop = notes.remark if counts is None else counts.update
    for path in paths:
        notes.open(path)
        for where, row, others in chosen(path, reading, wanted or Record, notes.mended):
            located = partial(_located, make, path, where)
            try:
                made = _made(row, located, wanted, asking or kind is not None, reading, notes, others)
            except (ValueError, DataError) as wrong:
                text = mistake.explain(wrong, {}) if isinstance(wrong, ValidationError) else str(wrong)
                text = text.removeprefix(f"{where}: ")  # a file that the row names says its row itself
                if not reading.skip_bad:
                    hint = mistake.hint(row, path, not (reading.columns or notes.rows), wanted is None)
                    raise DataError(f"{where}: {text}{hint}") from None
                drop([f"{BAD}: {mistake.reason(text)}"])
            else:
                if made is None:
                    drop([f"left out by its label: {', '.join(reading.without)}"])
                else:
                    yield where, made[0]


def _located(make: Callable[[Any], Made], path: str | Path, where: str, record: Record) -> Made:
    """Return make(record), where the record names files by their place beside its own."""
    return make(record.beside(Path(path) if Path(path).is_dir() else Path(path).parent, where))


def _made(
    row: Mapping[str, Any],
    make: Callable[[Any], Made],
    wanted: type[Record] | None,
    asking: bool,
    reading: RowReading,
    notes: Notes,
    others: Iterable[str] = (),
) -> tuple[Made] | None:
    """Return make(record) of one row, in a tuple; None for a row whose label is left out."""
    kind = wanted or recognise(row, asking)
    row = kind.flat(row)
    try:
        record = parse(cell.separated(row, kind, reading.separator), kind, asking)
        if reading.without and {*getattr(record, "labels", ())} & {*reading.without}:
            return None
        made = make(record)
    except ValidationError:
        raise
    except ValueError as wrong:  # people know a field by the name that it has in their file
        text, names = str(wrong), {field: key for field, key in kind.keys(row).items() if field != key}
        field = re.match(r"\w*", text)[0]  # type: ignore[index]
        raise ValueError(names.get(field, field) + text[len(field) :]) from None
    notes.add(kind.kind, kind.left(row, notes.words), others, record.remarks(notes.words))
    return (made,)


def read_row(
    row: Mapping[str, Any], where: str, make: Callable[[Any], Made], kind: type[Record] | None, asking: bool = False
) -> Made:
    """Return make(record) for one row; `where` (file and row number) stands before every error, a DataError."""
    try:
        made = _made(row, make, kind, asking, RowReading(), Notes())
    except ValidationError as wrong:
        raise DataError(f"{where}: {mistake.explain(wrong, {})}") from None
    except (ValueError, DataError) as wrong:
        raise DataError(f"{where}: {wrong}{'' if kind else mistake.preferred(row)}") from None
    assert made is not None
    return made[0]


def chosen(
    path: str | Path, reading: RowReading, kind: type[Record], counts: Counter[str] | None = None
) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Yield the rows of a file, with their chosen columns alone, and the names of the others."""
    if is_lines(path):
        yield from ((where, row, []) for where, row in drawn(str(path), reading.lines, counts))
        return
    columns = reading.columns if table.suffix(Path(path)) not in table.CONLL else ()
    names = kind.columns if len(columns) < 3 else kind.wide
    if len(columns) > max(2, len(names)) or (len(columns) == 3 and not names):
        raise ConfigError(f"columns: expected two, {' and '.join(kind.columns)}, found {', '.join(columns)}")
    if len(columns) == 1 and kind.answer_field:
        names = tuple(name for name in names if name != kind.answer_field)
    numbered = bool(columns) and all(name.isdigit() for name in columns)
    if "0" in columns:
        raise ConfigError("columns: expected numbers from 1")
    for where, row in table.rows(path, numbered, reading.key, reading.encoding, counts):
        if missing := next((name for name in columns if name not in row), None):
            found = f"{len(row)}" if numbered else ", ".join(map(str, row))
            wanted = f"at least {max(map(int, columns))} columns" if numbered else f"the column {missing!r}"
            raise DataError(f"{where}: expected {wanted}, found {found}")
        if not columns:
            yield where, row, []
            continue
        picked = dict(zip(names, (row[name] for name in columns), strict=False))
        yield where, picked, [f"column {name}" if numbered else name for name in row if name not in columns]


def read_conversations(
    paths: Iterable[str | Path],
    reading: RowReading = RowReading(),
    counts: Counter[str] | None = None,
    asking: bool = False,
    notes: Notes | None = None,
) -> Iterator[tuple[str, Conversation]]:
    """Read files of rows as (where, conversation)."""
    notes = Notes() if notes is None else notes
    make = partial(conversation, reading=reading, asking=asking, notes=notes)
    return read(make, paths, reading, counts, asking=asking, notes=notes)
