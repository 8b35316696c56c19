"""Rows of conversations: what a person's file says, as typed records, with its address in every error.

Three formats, told apart by their keys (other keys beside them are ignored):

    {"question": "...", "context": "...", "answer": "..."}                         context may be ""
    {"dialogue": [{"speaker": "user", "text": "..."}, ...], "response": "..."}
    {"instruction": "...", "input": "...", "outputs": ["...", ...]}                input may be ""

What happens to the odd ones:
- A context or an input stands before or after what is asked, a blank line between: `context + question`,
  `instruction + input`. An empty one leaves nothing behind.
- Turns in a row by one speaker are one turn, joined by a newline; so is a `response` after an assistant's turn.
- A dialogue may begin with the assistant, and a system turn may stand anywhere: both are kept where they are.
- The speaker `system` is who sets the scene. Corpora of task dialogues that call the assistant so must be renamed.
- A text that must be there and is blank (a question, a turn, an answer), a dialogue without turns, an unknown
  speaker, and `outputs` that is no list or an empty one are errors. Outputs that are equal count once.

A format is one class in this file. Nothing here knows a tokenizer or a template.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from trivium.base.config import Choice, Config, Seq
from trivium.base.errors import DataError
from trivium.base.types import Message
from trivium.text import sources

SPEAKERS = {
    "user": "user", "human": "user", "customer": "user",
    "assistant": "assistant", "bot": "assistant", "model": "assistant", "gpt": "assistant", "agent": "assistant",
    "system": "system",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages up to the answer, and the answers that would all be right."""

    messages: tuple[Message, ...]
    references: tuple[str, ...]

    def complete(self, reference: int = 0) -> tuple[Message, ...]:
        """The messages with one of the references as the assistant's last turn."""
        return _merge((*self.messages, Message("assistant", self.references[reference])))


class Row(Choice):
    """A row format: its fields are the keys that a row must have."""

    kinds: ClassVar[dict[str, type["Row"]]]

    def conversation(self) -> Conversation:
        """Say the row as a conversation; a ValueError tells what is wrong with it."""
        raise NotImplementedError


class Question(Row, kind="question"):
    """One question about a context, one answer."""

    question: str
    context: str
    answer: str

    def conversation(self) -> Conversation:
        asked = _said(self.question, "question")
        return _single(f"{self.context}\n\n{asked}" if self.context.strip() else asked, [_said(self.answer, "answer")])


class Instruction(Row, kind="instruction"):
    """An instruction, what it is to be applied to, and one or several right outputs."""

    instruction: str
    input: str
    outputs: Seq[str]

    def conversation(self) -> Conversation:
        asked = _said(self.instruction, "instruction")
        if not self.outputs:
            raise ValueError("outputs: expected at least one, found none")
        outputs = [_said(text, f"outputs[{i}]") for i, text in enumerate(self.outputs)]
        return _single(f"{asked}\n\n{self.input}" if self.input.strip() else asked, outputs)


class Turn(Config):
    """One turn of a dialogue."""

    speaker: str
    text: str


class Dialogue(Row, kind="dialogue"):
    """Turns of a dialogue, and the assistant's response to them."""

    dialogue: Seq[Turn]
    response: str

    def conversation(self) -> Conversation:
        if not self.dialogue:
            raise ValueError("dialogue: expected at least one turn, found none")
        turns = []
        for i, turn in enumerate(self.dialogue):
            role = SPEAKERS.get(turn.speaker.strip().lower())
            if role is None:
                raise ValueError(
                    f"dialogue[{i}].speaker: expected one of {', '.join(SPEAKERS)}, found {turn.speaker!r}"
                )
            turns.append(Message(role, _said(turn.text, f"dialogue[{i}].text")))
        return Conversation(_merge(turns), (_said(self.response, "response"),))


def parse(record: Mapping[str, Any], where: str) -> Conversation:
    """Read one row; `where` (file and row number) stands in front of every error."""
    for kind in Row.kinds.values():
        if all(key in record for key in kind.model_fields):
            try:
                return kind.model_validate({key: record[key] for key in kind.model_fields}).conversation()
            except ValidationError as wrong:
                first = wrong.errors(include_url=False)[0]
                key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])[1:]
                message = f"{first['msg'][:1].lower()}{first['msg'][1:]}".replace("tuple", "list")
                raise DataError(f"{where}: {key}: {message}, found {first['input']!r:.60}") from None
            except ValueError as wrong:
                raise DataError(f"{where}: {wrong}") from None
    formats = " or ".join("{" + ", ".join(kind.model_fields) + "}" for kind in Row.kinds.values())
    raise DataError(f"{where}: expected the keys {formats}, found {{{', '.join(map(str, record))}}}")


def read_rows(paths: Iterable[str | Path]) -> Iterator[tuple[str, Conversation]]:
    """Read files of rows (.jsonl, .csv, .tsv, .parquet, compressed or not) as (where, conversation)."""
    for path in paths:
        for where, record in sources.records(path):
            yield where, parse(record, where)


def _single(asked: str, answers: Iterable[str]) -> Conversation:
    return Conversation((Message("user", asked),), tuple(dict.fromkeys(answers)))


def _said(text: str, key: str) -> str:
    if not text.strip():
        raise ValueError(f"{key}: expected some text, found {text!r}")
    return text


def _merge(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Join turns in a row by one speaker, as a chat would have it."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            message = Message(message.role, f"{merged.pop().content}\n{message.content}")
        merged.append(message)
    return tuple(merged)
