"""Rows in files: what a person's file says, as conversations, with its address in every error.

A format is recognised by its keys; other keys beside them are passed over. The formats and what becomes of their odd
rows are told where they are defined: `dialogue` (turns), `instruction` (one thing asked), `pair` (text to text). Where
the keys of a row fit several formats, the one that takes more of them is meant (a `prompt` beside `messages` is a
note); as many keys of two formats are an error, to be settled by the option `format`.

It refuses to know a tokenizer, a template, or which format is for which task.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trivium.base.errors import ConfigError, DataError
from trivium.base.types import Message
from trivium.rows import dialogue, instruction, pair, table
from trivium.rows.row import Conversation, Row, RowReading, Unanswered

__all__ = ["Conversation", "Row", "RowReading", "dialogue", "instruction", "pair", "parse", "read_rows", "recognise"]

BAD = "row that does not fit"
"""The reason under which `skip_bad` counts."""


def recognise(names: Iterable[str], where: str, wanted: str | None = None, asking: bool = False) -> type[Row]:
    """The format of a row with these keys, or the one that is wanted; an error names the keys and the formats.

    A row that is `asking` needs no answer; where it could be of several formats, the first of them is meant.
    """
    names = [str(name) for name in names]

    def required(kind: type[Row]) -> list[str]:
        return [key for key in kind.required() if not (asking and key in kind.blank)]

    if wanted is not None:
        if (kind := Row.kinds.get(wanted)) is None:
            raise ConfigError(f"format: expected one of {', '.join(sorted(Row.kinds))}, found {wanted!r}")
        if missing := [key for key in required(kind) if key not in kind.keys(names)]:
            raise DataError(f"{where}: format {wanted}: expected the key {missing[0]!r}, found {{{', '.join(names)}}}")
        return kind
    fitting = {
        kind: len(kind.keys(names)) for kind in Row.kinds.values() if kind.keys(names).keys() >= {*required(kind)}
    }
    best = [kind for kind, count in fitting.items() if count == max(fitting.values())]
    if len(best) == 1 or (best and asking):
        return best[0]
    formats = "; ".join(f"{kind.kind} {{{', '.join(required(kind))}}}" for kind in (best or Row.kinds.values()))
    if best:
        raise DataError(
            f"{where}: the keys {{{', '.join(names)}}} fit several formats: {formats}; say which by `format`"
        )
    raise DataError(
        f"{where}: expected the keys of one of the formats {formats}; found {{{', '.join(names)}}}{_preferred(names)}"
    )


def parse(row: Mapping[str, Any], where: str, reading: RowReading = RowReading(), asking: bool = False) -> Conversation:
    """Read one row; `where` (file and row number) stands in front of every error.

    A row that is only `asking` may come without its answer; then it has no references.
    """
    kind = recognise(row, where, reading.format, asking)
    keys = kind.keys(row)
    unanswered = asking and not kind.blank.keys() <= {key for key, name in keys.items() if row[name] is not None}
    optional = {field for field in keys if field not in kind.required()}
    given = {field: row[key] for field, key in keys.items() if row[key] is not None or field not in optional}
    try:
        made = kind.model_validate({**given, **(kind.blank if unanswered else {})})
        try:
            conversation = made.conversation(reading.speakers)
        except Unanswered as open_end:
            if not asking:
                raise
            conversation = Conversation(open_end.messages, ())
        if unanswered:
            conversation = replace(conversation, references=())
        return _prefixed(conversation, made.prefix if reading.prefix is None else reading.prefix)
    except ValidationError as wrong:
        raise DataError(f"{where}: {explain(wrong, keys)}") from None
    except ValueError as wrong:
        raise DataError(f"{where}: {wrong}{_preferred(row)}") from None


def read_rows(
    paths: Iterable[str | Path],
    reading: RowReading = RowReading(),
    counts: Counter[str] | None = None,
    asking: bool = False,
) -> Iterator[tuple[str, Conversation]]:
    """Read files of rows as (where, conversation); with `skip_bad` those that do not fit are counted in `counts`."""
    counts = Counter() if counts is None else counts
    names = Row.kinds.get(reading.format or "", Row).columns
    for path in paths:
        for where, row in table.records(path, reading.columns, names):
            try:
                yield where, parse(row, where, reading, asking)
            except DataError:
                if not reading.skip_bad:
                    raise
                counts[BAD] += 1


def _preferred(names: Iterable[str]) -> str:
    """What to say beside an error about rows that compare answers."""
    return "; rows of chosen and rejected answers are for the task prefer" if {"chosen", "rejected"} <= {*names} else ""


def _prefixed(conversation: Conversation, prefix: str) -> Conversation:
    if not prefix:
        return conversation
    *before, last = conversation.messages or (Message("user", ""),)
    return replace(conversation, messages=(*before, replace(last, content=prefix + last.content)))


def explain(wrong: ValidationError, keys: Mapping[str, str]) -> str:
    """The first thing that is wrong, with the key as the file has it."""
    errors = wrong.errors(include_url=False)
    if not errors[0]["loc"]:  # a row whose keys do not fit each other says it itself
        return errors[0]["msg"].removeprefix("Value error, ")
    first = max(errors, key=lambda error: len(error["loc"])) if len({e["loc"][:1] for e in errors}) == 1 else errors[0]
    # A union names its branches in the address; a person knows only keys and numbers.
    steps = [step for step in first["loc"] if isinstance(step, int) or step.isidentifier()]
    steps = [step for step in steps if step not in ("str", "int", "dict", "tuple", "constrained")]
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{keys.get(step, step)}" for step in steps)[1:]
    message = f"{first['msg'][:1].lower()}{first['msg'][1:]}".replace("tuple", "list")
    if len(first["loc"]) > 1 and len(errors) > 1 and not any(isinstance(step, int) for step in first["loc"]):
        message = "expected a text, or a list of them"
    return f"{key}: {message}, found {first['input']!r:.60}"
