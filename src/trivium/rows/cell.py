"""Cells of tables that hold more than a text: a list, or labels with a separator between."""

import ast
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from trivium.rows.record import Record

SEPARATORS = ("|", ";", ", ", ",", "/")
"""What may separate labels in one cell, if they are told apart so."""
LONGEST = 1 << 20
"""The most characters of a cell that may be a list."""


class ListCell(list[Any]):
    """A list in a cell of a table, with the text of the cell."""

    def __init__(self, items: Iterable[Any], text: str) -> None:
        super().__init__(items)
        self.text = text


def listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a table; a cell that is a list in JSON, or as Python writes it, is a `ListCell`."""
    return {key: _list(value) if isinstance(value, str) and value[:1] == "[" else value for key, value in row.items()}


def _list(text: str) -> str | ListCell:
    if len(text) > LONGEST or text.rstrip()[-1] != "]":
        return text
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list):
            return ListCell(found, text)
    return text


def validated(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """Return the record of these values; a list in a cell stays a text where its field takes no such list."""
    try:
        return kind.model_validate(values)
    except ValidationError as wrong:
        fields = {error["loc"][0] for error in wrong.errors(include_url=False) if error["loc"]}
        texts = {
            field: value.text for field, value in values.items() if isinstance(value, ListCell) and field in fields
        }
        if not texts:
            raise
        return kind.model_validate({**values, **texts})


def separated(row: Mapping[str, Any], kind: type[Record], separator: str | None) -> Mapping[str, Any]:
    """Return a row whose label is the list of its parts, if there is a separator."""
    key = kind.keys(row).get("label")
    if separator is None or key is None or not isinstance(row[key], str):
        return row
    return {**row, key: [part.strip() for part in row[key].split(separator) if part.strip()]}


def separator_of(labels: Iterable[str]) -> str | None:
    """Return what separates labels in one: half of the parts also stand in other labels; None if nothing does."""
    every = {*labels}
    for separator in SEPARATORS:
        parts = Counter(part for label in every for part in {part.strip() for part in label.split(separator)})
        inside = {part.strip() for label in every if separator in label for part in label.split(separator)}
        if inside and "" not in inside and 2 * sum(parts[part] > 1 for part in inside) >= len(inside):
            return separator
    return None
