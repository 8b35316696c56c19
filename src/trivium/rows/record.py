"""The family of rows: one class says which keys a row has and what it becomes.

A kind has up to two forms: in words, as a conversation (`chat`), and before the head of a task, as Examples
(`examples`). A kind does not know files, templates or models.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from trivium.base.config import Choice
from trivium.base.types import Example, Message
from trivium.token.layout import Layout

CUT = "cut to the model's context"
"""The reason under which shortened rows are counted. Reasons that begin with "cut" are of rows that stay."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages before the answer, and every right answer."""

    messages: tuple[Message, ...]
    references: tuple[str, ...]
    train: bool | None = None
    """Whether the answer is trained; None leaves it to the recipe."""
    prefix: str = ""
    """The text before the last message that tells a model of many tasks the task of the row."""

    def complete(self, reference: int = 0) -> tuple[Message, ...]:
        """Return the messages with one of the references as the last turn of the assistant."""
        return merge((*self.messages, Message("assistant", self.references[reference], self.train)))


class Record(Choice):
    """A row. The fields of a kind are the keys of its rows; a field without a default is required."""

    kinds: ClassVar[dict[str, type["Record"]]]
    also: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Other common names of a field."""
    columns: ClassVar[tuple[str, str]] = ("source", "target")
    """The fields that two chosen columns of a table fill."""
    answer_field: ClassVar[str] = ""
    """The field that a model learns to say. A row that only asks may lack it."""

    @classmethod
    def keys(cls, names: Iterable[str]) -> dict[str, str]:
        """Return, for each field that a row with these keys has, the key in the row."""
        names = set(names)
        found = {
            field: next((key for key in (field, *cls.also.get(field, ())) if key in names), None)
            for field in cls.model_fields
        }
        return {field: key for field, key in found.items() if key is not None}

    @classmethod
    def required(cls, asking: bool = False) -> list[str]:
        """Return the fields that a row must have; one that is `asking` may lack its answer."""
        return [
            name
            for name, field in cls.model_fields.items()
            if field.is_required() or (name == cls.answer_field and not asking)
        ]

    @classmethod
    def chats(cls) -> bool:
        """Return whether this kind has a form in words."""
        return cls.chat is not Record.chat

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        """Return the row as a conversation, without references if it has no answer.

        `speakers` maps names of speakers to user, assistant or system. A row that cannot be one is a ValueError.
        """
        raise NotImplementedError(f"{self.kind} has no form in words")

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Example]:
        """Return the row as the Examples that train a head; `head` and `objective` are configs.

        What is cut or left out is counted in `counts` by reason. A row that cannot be learned is a ValueError.
        """
        raise NotImplementedError(f"{self.kind} has no form for a head")


def lay(texts: Sequence[str], layout: Layout, counts: Counter[str] | None = None) -> Example:
    """Lay one or two texts before a head, cut to the context; a text that is cut is counted."""
    parts: list[Sequence[int]] = [layout.tokenizer.encode(text) for text in texts]
    fitting = layout.cut(parts)
    if counts is not None and sum(map(len, fitting)) < sum(map(len, parts)):
        counts[CUT] += 1
    return layout.example(fitting)


def single(prompt: str, answers: Iterable[str], prefix: str = "") -> Conversation:
    """Return one prompt and its answers; equal answers count once."""
    return Conversation((Message("user", prompt),), tuple(dict.fromkeys(answers)), prefix=prefix)


def said(text: str, key: str) -> str:
    """Return a text; a blank one is a ValueError that names its key."""
    if not text.strip():
        raise ValueError(f"{key}: expected some text, found {text!r}")
    return text


def answers_of(texts: str | Iterable[str] | None, key: str) -> list[str]:
    """Return one answer or a list of them, none of them blank; None gives no answers, an empty list is a ValueError."""
    if texts is None or isinstance(texts, str):
        return [] if texts is None else [said(texts, key)]
    found = [said(text, f"{key}[{i}]") for i, text in enumerate(texts)]
    if not found:
        raise ValueError(f"{key}: expected at least one, found none")
    return found


def merge(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Join successive turns of one speaker by a newline, unless one of them is trained and the other is not."""
    merged: list[Message] = []
    for message in messages:
        if merged and (merged[-1].role, merged[-1].train) == (message.role, message.train):
            message = Message(message.role, f"{merged.pop().content}\n{message.content}", message.train)
        merged.append(message)
    return tuple(merged)


def ended(turns: Iterable[Message], key: str) -> Conversation:
    """Return a conversation whose last turn is the answer; it has none if the last speaker is not the assistant."""
    messages = merge(turns)
    if not messages:
        raise ValueError(f"{key}: expected at least one turn, found none")
    last = messages[-1]
    if last.role != "assistant":
        return Conversation(messages, ())
    return Conversation(messages[:-1], (last.content,), last.train)
