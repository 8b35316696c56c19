"""What every format of rows comes to: a conversation and its right answers, and the family that formats join.

A format is one class that joins `Row`: its fields are the keys that a row has, those without a default must be there.
Nothing here knows a file, a tokenizer or a template.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from trivium.base.config import Choice, Config, Seq
from trivium.base.types import Message


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages up to the answer, and the answers that would all be right."""

    messages: tuple[Message, ...]
    references: tuple[str, ...]
    train: bool | None = None
    """Whether the answer is trained, where the row says so; None leaves it to the recipe."""

    def complete(self, reference: int = 0) -> tuple[Message, ...]:
        """The messages with one of the references as the assistant's last turn."""
        return merge((*self.messages, Message("assistant", self.references[reference], self.train)))


class RowReading(Config):
    """How rows are read; by default the keys of a row say what it is."""

    format: str | None = None
    """The format of every row, by its kind, instead of what its keys say."""
    columns: Seq[str] = ()
    """Of a table: two columns, what is read and what is right (source and target, text and label), by name; or by
    number from 1, and then no line is a header."""
    speakers: Mapping[str, str] = {}
    """What a corpus calls its speakers, as user, assistant or system: `{clerk = "assistant"}`."""
    prefix: str | None = None
    """What stands before the last thing said to the model; None is what the format has by itself, if anything."""
    skip_bad: bool = False
    """Whether rows that do not fit are counted and left out instead of ending the run."""


class Keys:
    """A class whose fields are the keys of a row."""

    also: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Other names of a field's key that are common."""
    columns: ClassVar[tuple[str, str]] = ("source", "target")
    """The fields that the two chosen columns of a table fill."""
    model_fields: ClassVar[dict[str, Any]]

    @classmethod
    def keys(cls, names: Iterable[str]) -> dict[str, str]:
        """For each field that a row with these keys has, the key it stands under."""
        names = set(names)
        found = {
            field: next((key for key in (field, *cls.also.get(field, ())) if key in names), None)
            for field in cls.model_fields
        }
        return {field: key for field, key in found.items() if key is not None}

    @classmethod
    def required(cls) -> list[str]:
        """The fields that a row must have."""
        return [name for name, field in cls.model_fields.items() if field.is_required()]


class Row(Keys, Choice):
    """A row format."""

    kinds: ClassVar[dict[str, type["Row"]]]
    blank: ClassVar[Mapping[str, Any]] = {}
    """What stands in place of the answer in a row that only asks."""

    @property
    def prefix(self) -> str:
        """What tells a model that reads many tasks which one this is; empty where the row says it itself."""
        return ""

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        """Say the row as a conversation; a ValueError tells what is wrong with it."""
        raise NotImplementedError


class Unanswered(ValueError):
    """A conversation that ends with somebody else than the assistant: wrong to train on, right to ask."""

    def __init__(self, messages: tuple[Message, ...], message: str) -> None:
        super().__init__(message)
        self.messages = messages


def single(asked: str, answers: Iterable[str]) -> Conversation:
    """One thing asked, and the answers to it; equal ones count once."""
    return Conversation((Message("user", asked),), tuple(dict.fromkeys(answers)))


def said(text: str, key: str) -> str:
    """A text that must be there; a blank one is a ValueError."""
    if not text.strip():
        raise ValueError(f"{key}: expected some text, found {text!r}")
    return text


def several(texts: str | Iterable[str], key: str) -> list[str]:
    """One answer or a list of them, none blank and at least one."""
    if isinstance(texts, str):
        return [said(texts, key)]
    found = [said(text, f"{key}[{i}]") for i, text in enumerate(texts)]
    if not found:
        raise ValueError(f"{key}: expected at least one, found none")
    return found


def merge(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Join turns in a row by one speaker with a newline, unless one of them is trained and the other is not."""
    merged: list[Message] = []
    for message in messages:
        if merged and (merged[-1].role, merged[-1].train) == (message.role, message.train):
            message = Message(message.role, f"{merged.pop().content}\n{message.content}", message.train)
        merged.append(message)
    return tuple(merged)


def finished(turns: Iterable[Message], key: str) -> Conversation:
    """A conversation whose last turn is the answer; one in which nobody answers is a ValueError."""
    messages = merge(turns)
    if not messages:
        raise ValueError(f"{key}: expected at least one turn, found none")
    last = messages[-1]
    if last.role != "assistant":
        wrong = f"{key}: expected the assistant's answer at the end, found a turn of the {last.role}"
        raise Unanswered(messages, wrong)
    return Conversation(messages[:-1], (last.content,), last.train)
