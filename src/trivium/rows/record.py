"""The family of rows: one class says which keys a row has and what it becomes.

A kind has up to two forms: in words, as a conversation (`chat`), and before the head of a task, as Examples
(`examples`). A kind does not know files, templates or models.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from trivium.base.config import Choice
from trivium.base.types import Example, Message
from trivium.rows.turns import history_of, merge, said, unread, with_tools
from trivium.token.layout import Layout

STRADDLED = "a token straddles the border of the answer, so that no span of tokens is the answer exactly"
KEPT = (STRADDLED,)
"""The reasons under which rows are counted that stay as they are."""
TAIL = "what stands behind the last answer is left out"
MEANINGFUL = frozenset(
    {"system", "system_prompt", "history", "tools", "functions", "tool_calls", "function_call", "weight"}
    | {"reasoning_content", "reasoning", "thinking", "image", "images", "audio", "audios", "video", "videos"}
)
"""Keys of rows, and of turns, that mean something for training wherever they stand."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages before the answer, and every right answer."""

    messages: tuple[Message, ...]
    references: tuple[str, ...]
    train: bool | None = None
    """Whether the answer is trained; None leaves it to the recipe."""
    prefix: str = ""
    """The text before the last message that tells a model of many tasks the task of the row."""
    language: str = ""
    """The language of the answer, if the row names it."""
    reasoning: str | None = None
    """What the assistant thinks before the answer."""
    remarks: tuple[str, ...] = ()
    """What was guessed or left out."""

    def complete(self, reference: int = 0) -> tuple[Message, ...]:
        """Return the messages with one of the references as the last turn of the assistant."""
        return merge((*self.messages, Message("assistant", self.references[reference], self.train, self.reasoning)))


class Record(Choice):
    """A row. The fields of a kind are the keys of its rows; a field without a default is required.

    The fields here stand in front of a conversation; every kind with a form in words takes them.
    """

    kinds: ClassVar[dict[str, type["Record"]]]
    also: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Other common names of a field."""
    columns: ClassVar[tuple[str, ...]] = ("source", "target")
    """The fields that one or two chosen columns of a table fill."""
    wide: ClassVar[tuple[str, ...]] = ()
    """The fields that three chosen columns fill."""
    answer_field: ClassVar[str] = ""
    """The field that a model learns to say. A row that only asks may lack it."""
    meaningful: ClassVar[frozenset[str]] = MEANINGFUL
    """Keys that mean something for this kind; where one is not used, that is a red flag."""
    turn_fields: ClassVar[tuple[str, ...]] = ()
    """The fields that are lists of turns."""
    before: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "system": ("system_prompt", "system_message"),
        "history": (),
        "tools": ("functions",),
        "reasoning": ("reasoning_content", "thinking"),
    }
    """The fields that only the form in words has, and their other names."""

    system: str | None = None
    history: Any = None
    tools: Any = None
    reasoning: str | None = None

    @classmethod
    def keys(cls, names: Iterable[str]) -> dict[str, str]:
        """Return, for each field that a row with these keys has, the key in the row; capitals do not matter."""
        known = {name.strip().lower(): name for name in reversed([*names]) if isinstance(name, str)}
        also = {**Record.before, **cls.also}
        found = {
            field: next((known[key] for key in (field, *also.get(field, ())) if key in known), None)
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
    def flat(cls, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a row of another shape with the keys of this kind; a ValueError says why there are none."""
        return row

    @classmethod
    def left(cls, row: Mapping[str, Any], words: bool) -> Iterator[tuple[str, bool]]:
        """Yield the keys of a row that are not used, and whether each of them means something.

        `words` says whether the row is read in words; before a head nothing stands in front of it.
        """
        keys = cls.keys(row)
        used = {key for field, key in keys.items() if words or field not in cls.before}
        for key, value in row.items():
            if key not in used and not (value is None or (isinstance(value, str | list | dict | tuple) and not value)):
                yield key, str(key).strip().lower() in cls.meaningful
        for field in cls.turn_fields:
            for name in unread(row.get(keys.get(field, field))):
                yield f"{keys[field]}[].{name}", name in cls.meaningful

    def beside(self, folder: Path, where: str) -> "Record":
        """Return the record with the files that it names, which lie in `folder` or below; `where` is its row.

        A file that does not, or is not there, is a ValueError.
        """
        return self

    @classmethod
    def chats(cls) -> bool:
        """Return whether this kind has a form in words."""
        return cls.chat is not Record.chat

    def remarks(self, words: bool) -> tuple[str, ...]:
        """Return what is guessed about the row, in words or before a head."""
        return ()

    def opening(self) -> tuple[Message, ...]:
        """Return what stands in front of the row's own turns: its system message and its history."""
        start = [Message("system", self.system)] if self.system and self.system.strip() else []
        return (*start, *(history_of(self.history) if self.history else ()))

    def words(self, speakers: Mapping[str, str]) -> Conversation:
        """Return the row as a conversation, with its system message, history, tools and reasoning."""
        made = self.chat(speakers)
        messages = with_tools(merge((*self.opening(), *made.messages)), self.tools)
        return replace(made, messages=messages, reasoning=made.reasoning or self.reasoning)

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        """Return the row's own turns as a conversation, without references if it has no answer.

        `speakers` maps names of speakers to roles. A row that cannot be a conversation is a ValueError.
        """
        raise NotImplementedError(f"{self.kind} has no form in words")

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Example]:
        """Return the row as the Examples that train a head; `head` and `objective` are configs.

        What is cut or left out is counted in `counts` by reason; a reason that begins with "cut" is of a row
        that stays. A row that cannot be learned is a ValueError.
        """
        raise NotImplementedError(f"{self.kind} has no form for a head")


def lay(texts: Sequence[str], layout: Layout, counts: Counter[str] | None = None) -> Example:
    """Lay one or two texts before a head, cut to the layout's length; a text that is cut is counted."""
    parts: list[Sequence[int]] = [layout.tokenizer.encode(text) for text in texts]
    fitting = layout.cut(parts)
    if counts is not None and sum(map(len, fitting)) < sum(map(len, parts)):
        counts[layout.reason] += 1
    return layout.example(fitting)


def single(prompt: str, answers: Iterable[str], prefix: str = "", language: str = "") -> Conversation:
    """Return one prompt and its answers; equal answers count once."""
    return Conversation((Message("user", prompt),), tuple(dict.fromkeys(answers)), None, prefix, language)


def answers_of(texts: str | Iterable[str] | None, key: str) -> list[str]:
    """Return one answer or a list of them, none of them blank; None gives no answers, an empty list is a ValueError."""
    if texts is None or isinstance(texts, str):
        return [] if texts is None else [said(texts, key)]
    found = [said(text, f"{key}[{i}]") for i, text in enumerate(texts)]
    if not found:
        raise ValueError(f"{key}: expected at least one, found none")
    return found


def ended(turns: Iterable[Message], key: str) -> Conversation:
    """Return a conversation whose last turn is the answer; it has none if the last speaker is not the assistant."""
    messages = merge(turns)
    if not messages:
        raise ValueError(f"{key}: expected at least one turn, found none")
    last = messages[-1]
    if last.role != "assistant":
        return Conversation(messages, ())
    return Conversation(messages[:-1], (last.content,), last.train, reasoning=last.reasoning)
