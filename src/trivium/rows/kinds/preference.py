"""Rows of a prompt and two answers, of which one is better.

    {"prompt": "...", "chosen": "...", "rejected": "..."}    each a text, or a list of messages with role and content

Without a prompt the two sides are whole conversations, as messages or as texts (`Human: ...`, `Assistant: ...`); what
they share at their beginning is the prompt.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import model_validator

from trivium.base.types import IGNORE, Example, Message
from trivium.rows.record import Record
from trivium.rows.turns import THOUGHT, merge, turns_of, with_tools
from trivium.token.layout import Layout
from trivium.token.template import ids, render

SPEAKER = re.compile(r"(?:\A\s*|\n\n)(Human|User|Assistant|System)[:\uff1a][ \t]?")
"""The beginning of a turn in a text that is a whole conversation."""
TRANSCRIPT = "texts that are whole conversations (Human: ..., Assistant: ...) are parted into turns"
Side = str | dict[str, Any] | list[dict[str, Any]]


class Preference(Record, kind="preference"):
    """A prompt and two answers; the chosen one is better."""

    also: ClassVar = {"prompt": ("question", "instruction", "query", "messages", "conversations")}
    columns: ClassVar = ("prompt", "chosen")
    wide: ClassVar = ("prompt", "chosen", "rejected")
    turn_fields: ClassVar = ("prompt", "chosen", "rejected")
    before: ClassVar = {"reasoning": ()}
    answer_field: ClassVar = "chosen"
    prompt: str | list[dict[str, Any]] = ""
    input: str = ""
    chosen: Side
    rejected: Side

    @model_validator(mode="after")
    def _fit(self) -> Self:
        assert self.messages
        return self

    @classmethod
    def left(cls, row: Mapping[str, Any], words: bool) -> Iterator[tuple[str, bool]]:
        """Yield the keys that are not used; the reasoning of a turn is one of them."""
        yield from super().left(row, words)
        for field, key in cls.keys(row).items():
            if field in cls.turn_fields and isinstance(row[key], list):
                thoughts = [one for turn in row[key] if isinstance(turn, dict) for one in THOUGHT if turn.get(one)]
                yield from ((f"{key}[].{one}", True) for one in thoughts)

    def remarks(self, words: bool) -> tuple[str, ...]:
        texts = [one for one in (self.prompt, self.chosen, self.rejected) if isinstance(one, str)]
        return (TRANSCRIPT,) if any(_parted(text) for text in texts) else ()

    @property
    def messages(self) -> tuple[tuple[Message, ...], str, str]:
        """The messages of the prompt, the chosen answer, the rejected answer."""
        before = _turns(self.prompt, "prompt", "user")
        if self.input:
            before = (*before[:-1], Message("user", f"{before[-1].content}\n\n{self.input}"))
        chosen, rejected = _turns(self.chosen, "chosen", "assistant"), _turns(self.rejected, "rejected", "assistant")
        if len(chosen) > 1 or len(rejected) > 1:  # the prompt stands in front of both
            if chosen[:-1] != rejected[:-1]:
                raise ValueError("chosen, rejected: expected the same messages before the last")
            before = chosen[:-1] if not self.prompt or chosen[: len(before)] == before else (*before, *chosen[:-1])
        if not before:
            raise ValueError("prompt: expected some text, found none")
        for key, turns in (("chosen", chosen), ("rejected", rejected)):
            if turns[-1].role != "assistant" or not turns[-1].content.strip():
                raise ValueError(f"{key}: expected an answer of the assistant, found {turns[-1].content!r:.60}")
        before = with_tools(merge((*self.opening(), *before)), self.tools)
        return before, chosen[-1].content, rejected[-1].content

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Example]:
        """Return the chosen and the rejected answer, each after the prompt; only the answer is trained."""
        turns, *answers = self.messages
        before = [replace(turn, train=False) for turn in turns]
        made = []
        for answer in answers:
            segments = render((*before, Message("assistant", answer, True)), layout.tokenizer)
            row = np.array(ids(segments), dtype=np.int64)
            if len(row) > layout.length:
                counts[f"longer than {layout.length} tokens"] += 1
                return []
            trained = np.array([segment.train for segment in segments for _ in segment.ids], dtype=bool)
            targets = np.append(np.where(trained, row, IGNORE)[1:], IGNORE)
            made.append(Example(dec=row, targets={"token": targets}))
        return made


def _turns(given: Side, key: str, role: str) -> tuple[Message, ...]:
    """Return the turns of a prompt or of a side; a text is one turn of this role, or a whole conversation."""
    if isinstance(given, str):
        turns = _parted(given)
        if not turns:
            return (Message(role, given),) if given else ()
        given = turns
    return tuple(turns_of(given if isinstance(given, list) else [given], key, {})[0])


def _parted(text: str) -> list[dict[str, Any]]:
    """Return the turns of a text that is a whole conversation, without an empty last one; none for another text."""
    first, *parts = SPEAKER.split(text)
    turns = [{"role": name, "content": said.strip("\n")} for name, said in zip(parts[::2], parts[1::2], strict=True)]
    if first.strip() or not {"Human", "User"} & {turn["role"] for turn in turns} or len(turns) < 2:
        return []
    return turns if turns[-1]["content"].strip() else turns[:-1]
