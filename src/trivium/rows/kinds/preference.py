"""Rows of a prompt and two answers, of which one is better.

{"prompt": "...", "chosen": "...", "rejected": "..."}    each a text, or a list of messages with role and content
"""

from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import model_validator

from trivium.base.types import IGNORE, Example, Message
from trivium.rows.kinds.dialogue import role_in
from trivium.rows.record import Record
from trivium.token.layout import Layout
from trivium.token.template import ids, render


class Preference(Record, kind="preference"):
    """A prompt and two answers; the chosen one is better."""

    also: ClassVar = {"prompt": ("question", "instruction")}
    answer_field: ClassVar = "chosen"
    prompt: str | list[dict[str, Any]] = ""
    input: str = ""
    chosen: str | list[dict[str, Any]]
    rejected: str | list[dict[str, Any]]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        assert self.messages
        return self

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


def _turns(given: str | list[dict[str, Any]], key: str, role: str) -> tuple[Message, ...]:
    if isinstance(given, str):
        return (Message(role, given),) if given else ()
    for i, turn in enumerate(given):
        if not isinstance(turn.get("role"), str) or not isinstance(turn.get("content"), str):
            raise ValueError(f"{key}[{i}]: expected role and content, found {turn!r:.60}")
    roles = [role_in(turn["role"], {}, f"{key}[{i}].role") for i, turn in enumerate(given)]
    return tuple(Message(role, turn["content"]) for role, turn in zip(roles, given, strict=True))
