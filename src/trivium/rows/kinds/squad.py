"""Questions about a context, answered by spans of it (SQuAD).

    {"question": "...", "context": "...", "answers": {"text": ["..."], "answer_start": [0]}}    one question a row
    {"question": "...", "context": "...", "answer": "..."}        before a head: the place is found in the context

In words the prefix is `answer from the text: `, and a question without an answer is answered `unanswerable`. Before a
head the context is read in windows where it is too long.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import ConfigDict

from trivium.base.config import Config, Seq
from trivium.base.types import Example
from trivium.rows.kinds.instruction import about
from trivium.rows.record import STRADDLED, Conversation, Record, answers_of, single
from trivium.token.layout import Layout, spans

UNANSWERABLE = "unanswerable"
FOUND = "the place of the answer is found in the context"
SEVERAL = "the answer stands more than once in the context: the first place is taken"
SOME = "one of the answers does not stand in the context"
ABSENT = "the answer does not stand in the context"


class SquadAnswers(Config):
    """The texts of the answers, and where each begins in the context, in characters."""

    model_config = ConfigDict(extra="ignore")
    text: Seq[str]
    answer_start: Seq[Any] = ()


class ContextWindow(NamedTuple):
    """A question with a part of its context."""

    example: Example
    first: int
    """The place of the first token of the context."""
    places: np.ndarray
    """Where each token of the context begins and ends in the context, in characters, [N, 2]."""

    def span(self, begin: int, end: int) -> tuple[int, int] | None:
        """Return the first and last token of these characters; None if some of them are not here."""
        touched = np.flatnonzero((self.places[:, 1] > begin) & (self.places[:, 0] < end))
        if not len(touched) or self.places[touched[0], 0] > begin or self.places[touched[-1], 1] < end:
            return None
        return self.first + int(touched[0]), self.first + int(touched[-1])


class Squad(Record, kind="squad"):
    """One question about a context, and the spans of it that answer it."""

    also: ClassVar = {"answers": ("answer",)}
    columns: ClassVar = ("question", "answers")
    wide: ClassVar = ("question", "context", "answers")
    answer_field: ClassVar = "answers"
    question: str
    context: str
    answers: SquadAnswers | str | Seq[str] | None = None
    id: str | int = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The answers; none where the context does not answer the question."""
        if isinstance(self.answers, SquadAnswers):
            return self.answers.text
        given = (self.answers,) if isinstance(self.answers, str) else self.answers or ()
        return tuple(text for text in given if text.strip())

    def remarks(self, words: bool) -> tuple[str, ...]:
        if words or self.answers is None or isinstance(self.answers, SquadAnswers):
            return ()
        found = [self.context.count(text) for text in self.texts]
        return (
            FOUND,
            *([SEVERAL] if max(found, default=0) > 1 else []),
            *([SOME] if any(found) and 0 in found else []),
        )

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        found = [] if self.answers is None else answers_of(self.texts or UNANSWERABLE, "answers.text")
        return single(about(self.context, self.question), found, "answer from the text: ")

    def windows(self, layout: Layout, stride: int) -> Iterator[ContextWindow]:
        """Lay the question with each part of its context that fits beside it, `stride` tokens apart."""
        question = layout.tokenizer.encode(self.question)
        found, places = spans(layout.tokenizer, self.context)
        question = question[: layout.room(2) // 2]
        room = layout.room(2) - len(question)
        at = 0
        while True:
            parts = [question, found[at : at + room]]
            yield ContextWindow(layout.example(parts), layout.frame.lay(parts)[2][1], places[at : at + room])
            if at + room >= len(found):
                return
            at += min(stride, room)

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Example]:
        """Return one Example a window; its targets are the first and last token of an answer, else the first token."""
        answers = self._located(objective.unanswerable)
        if self.texts and not answers:
            counts[ABSENT] += 1
            return []
        made, straddles = [], False
        for window in self.windows(layout, objective.stride):
            answer = next((one for one in answers if window.span(*one) is not None), (0, 0))
            start, end = window.span(*answer) or (0, 0)
            if end:
                begins, ends = window.places[start - window.first, 0], window.places[end - window.first, 1]
                straddles |= self.context[begins:ends].strip() != self.context[slice(*answer)].strip()
            made.append(replace(window.example, targets={"start": np.array(start), "end": np.array(end)}))
        if answers and not any(int(example.targets["end"]) for example in made):
            counts["its answer is in no window"] += 1
            return []
        if straddles:
            counts[STRADDLED] += 1
        return made

    def _located(self, unanswerable: bool) -> list[tuple[int, int]]:
        """Return where each answer begins and ends, in characters; answers that do not fit are a ValueError."""
        if self.answers is None:
            raise ValueError("answers: expected the answers of a row to learn from, found none")
        if not isinstance(self.answers, SquadAnswers):
            places = [(self.context.find(text), text) for text in self.texts]
            return [(at, at + len(text)) for at, text in places if at >= 0] or self._none(unanswerable)
        starts = self.answers.answer_start
        if len(self.texts) != len(starts):
            raise ValueError(
                f"answers.answer_start: expected one for each of {len(self.texts)} texts, found {len(starts)}"
            )
        for text, at in zip(self.texts, starts, strict=True):
            found = self.context[at : at + len(text)] if isinstance(at, int) else None
            if found != text:
                raise ValueError(f"answers: expected {text!r:.60} at {at!r:.20} of the context, found {found!r:.60}")
        return [(at, at + len(text)) for text, at in zip(self.texts, starts, strict=True)] or self._none(unanswerable)

    def _none(self, unanswerable: bool) -> list[tuple[int, int]]:
        if not self.texts and not unanswerable:
            raise ValueError(
                "answers: expected at least one, found none; if questions may have no answer in their context, "
                "set objective.unanswerable=true"
            )
        return []
