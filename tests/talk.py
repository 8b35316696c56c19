"""One row in words, as a file's rows are read: what tests of rows begin with."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from trivium.rows.read import RowReading, conversation, format_of, read_row
from trivium.rows.record import Conversation, Record


def parse(
    row: Mapping[str, Any], where: str = "f:1", reading: RowReading = RowReading(), asking: bool = False
) -> Conversation:
    """The conversation of one row."""
    return read_row(row, where, partial(conversation, reading=reading, asking=asking), format_of(reading), asking)


def record(kind: type[Record], row: Mapping[str, Any], where: str = "f:1") -> Any:
    """One row as a record of a kind, as a task reads it."""
    return read_row(row, where, lambda one: one, kind, asking=True)
