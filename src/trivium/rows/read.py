"""Files of rows become Records and conversations; every error names the file and the row.

The keys of a row decide its kind; other keys are ignored. Where the keys fit several kinds, the kind with more of them
is taken (a `prompt` beside `messages` is a note). If two kinds have as many, that is an error, and the option `format`
decides. Only kinds with a form in words are candidates: a task with a head reads rows of its own kind.
"""

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
from trivium.rows import table
from trivium.rows.record import Conversation, Record

BAD = "row that does not fit"
"""The reason under which `skip_bad` counts."""
Made = TypeVar("Made")


class RowReading(Config):
    """How rows are read. By default the keys of a row decide its kind."""

    format: str | None = None
    """The kind of every row, in place of what its keys say."""
    columns: Seq[str] = ()
    """Two columns of a table, the input and the answer (source and target, text and label): names of its header, or
    numbers from 1 for a table without a header."""
    speakers: Mapping[str, Literal["system", "user", "assistant", "tool"]] = {}
    """The roles of speakers that a corpus names differently: `{clerk = "assistant"}`."""
    prefix: str | None = None
    """A text before the last message of the prompt; None is the prefix of the kind."""
    skip_bad: bool = False
    """Whether rows that do not fit are counted and left out; otherwise the first one ends the run."""


def recognise(names: Iterable[str], asking: bool = False) -> type[Record]:
    """Return the kind of a row with these keys; a ValueError names the keys and the kinds.

    A row that is `asking` needs no answer; of several kinds that fit it, the first is taken.
    """
    names = [str(name) for name in names]
    known = [kind for kind in Record.kinds.values() if kind.chats()]
    found = {kind: kind.keys(names).keys() for kind in known}
    # An id says nothing of a row: many corpora number their rows.
    fitting = {kind: len(keys - {"id"}) for kind, keys in found.items() if keys >= {*kind.required(asking)}}
    best = [kind for kind, count in fitting.items() if count == max(fitting.values())]
    if len(best) == 1 or (best and asking):
        return best[0]
    formats = "; ".join(f"{kind.kind} {{{', '.join(kind.required(asking))}}}" for kind in (best or known))
    if best:
        raise ValueError(f"the keys {{{', '.join(names)}}} fit several formats: {formats}; choose one by `format`")
    raise ValueError(f"expected the keys of one of the formats {formats}; found {{{', '.join(names)}}}")


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
            f"found {{{', '.join(map(str, row))}}}; {missing[0]!r} is missing"
        )
    for field in required:
        if row[keys[field]] is None:
            raise ValueError(f"{keys[field]}: expected a value, found null")
    try:
        return kind.model_validate({field: row[key] for field, key in keys.items() if row[key] is not None})
    except ValidationError as wrong:
        raise ValueError(explain(wrong, keys)) from None


def conversation(record: Record, reading: RowReading = RowReading(), asking: bool = False) -> Conversation:
    """Return a record in words, with its prefix; a record without an answer that is not `asking` is a ValueError."""
    made = record.chat(reading.speakers)
    if not (made.references or asking):
        raise ValueError(
            f"{record.required()[0]}: expected the assistant's answer at the end, "
            f"found a turn of the {made.messages[-1].role}"
        )
    prefix = made.prefix if reading.prefix is None else reading.prefix
    if not prefix:
        return replace(made, prefix="")
    *before, last = made.messages or (Message("user", ""),)
    return replace(made, messages=(*before, replace(last, content=prefix + last.content)), prefix="")


def read(
    make: Callable[[Any], Made],
    paths: Iterable[str | Path],
    reading: RowReading = RowReading(),
    counts: Counter[str] | None = None,
    kind: type[Record] | None = None,
    asking: bool = False,
) -> Iterator[tuple[str, Made]]:
    """Read files as (where, make(record)); all records are of one `kind`, or each is of the kind of its keys.

    A row that does not fit, or that `make` refuses by a ValueError, is a DataError; with `skip_bad` it is left out and
    counted in `counts`. Rows that are `asking`, or of a given `kind`, may lack their answer.
    """
    wanted = format_of(reading, kind)
    for path in paths:
        for where, row in table.rows(path, reading.columns, (wanted or Record).columns):
            try:
                made = read_row(row, where, make, wanted, asking or kind is not None)
            except DataError:
                if not reading.skip_bad:
                    raise
                if counts is not None:
                    counts[BAD] += 1
            else:
                yield where, made


def read_row(
    row: Mapping[str, Any], where: str, make: Callable[[Any], Made], kind: type[Record] | None, asking: bool = False
) -> Made:
    """Return make(record) for one row; `where` (file and row number) stands before every error, a DataError."""
    try:
        return make(parse(row, kind or recognise(row, asking), asking))
    except ValidationError as wrong:
        raise DataError(f"{where}: {explain(wrong, {})}") from None
    except (ValueError, DataError) as wrong:
        raise DataError(f"{where}: {wrong}{_preferred(row)}") from None


def read_conversations(
    paths: Iterable[str | Path],
    reading: RowReading = RowReading(),
    counts: Counter[str] | None = None,
    asking: bool = False,
) -> Iterator[tuple[str, Conversation]]:
    """Read files of rows as (where, conversation)."""
    return read(partial(conversation, reading=reading, asking=asking), paths, reading, counts, asking=asking)


def _preferred(names: Iterable[str]) -> str:
    """Return a hint for rows that compare answers."""
    return "; rows of chosen and rejected answers are for the task prefer" if {"chosen", "rejected"} <= {*names} else ""


def explain(wrong: ValidationError, keys: Mapping[str, str]) -> str:
    """Return the first problem of a row, with the key as it stands in the file."""
    errors = wrong.errors(include_url=False)
    if not errors[0]["loc"]:  # keys that do not fit each other
        return errors[0]["msg"].removeprefix("Value error, ")
    first = max(errors, key=lambda error: len(error["loc"])) if len({e["loc"][:1] for e in errors}) == 1 else errors[0]
    # The location names the branches of a union; a person knows only keys and numbers.
    steps = [step for step in first["loc"] if isinstance(step, int) or step.isidentifier()]
    steps = [step for step in steps if step not in ("str", "int", "dict", "tuple", "constrained")]
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{keys.get(step, step)}" for step in steps)[1:]
    message = f"{first['msg'][:1].lower()}{first['msg'][1:]}".replace("tuple", "list")
    if len(first["loc"]) > 1 and len(errors) > 1 and not any(isinstance(step, int) for step in first["loc"]):
        message = "expected a text, or a list of them"
    return f"{key}: {message}, found {first['input']!r:.60}"
