"""Conversations become the Examples of supervised fine-tuning.

What is left out is counted by reason. Every row counts the same, however many right answers it has.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trivium.base.types import Example, Message, Segment
from trivium.data.rows import ExampleRows, Packing, no_rows
from trivium.objective.instruct import Instruct
from trivium.rows.notes import Notes
from trivium.rows.read import RowReading, conversation, read
from trivium.rows.record import Conversation, Record
from trivium.rows.shorten import Policy, shorten
from trivium.token.template import ids, render, unwritten
from trivium.token.tokenizer import Tokenizer

NOTHING = "nothing in it is trained"
UNWRITTEN = "the chat template does not write the reasoning of an answer: it is left out"


def conversation_rows(
    paths: Iterable[str | Path],
    tokenizer: Tokenizer,
    objective: Instruct,
    length: int,
    seed: int = 0,
    packing: Packing = "bestfit",
    start: int | None = None,
    reading: RowReading = RowReading(),
    too_long: Policy = "drop",
    notes: Notes | None = None,
    first: int | None = None,
) -> tuple[ExampleRows, Counter[str]]:
    """Return the rows of files as Examples, and how many were dropped or cut, by reason.

    `start` is the first id of the decoder beside an encoder; None is a model without an encoder. `first` is the id that
    its texts are forced to begin with, if any. No answer is ever cut, so no end token is trained in a wrong place. What
    is not used of the rows goes to `notes`.
    """
    maker = ExampleMaker(tokenizer, objective, length, start, too_long, first)

    def make(record: Record) -> list[list[Example]]:
        return maker.items(conversation(record, reading, notes=notes))

    choices = [item for _, items in read(make, paths, reading, maker.counts, notes=notes) for item in items]
    if notes is not None and maker.unwritten:
        notes.told[UNWRITTEN] += maker.unwritten
    if not choices:
        raise no_rows(maker.counts)
    return ExampleRows(choices, length, seed, packing), maker.counts


@dataclass
class ExampleMaker:
    """Makes the Examples of conversations, and counts what it leaves out or cuts."""

    tokenizer: Tokenizer
    objective: Instruct
    length: int
    start: int | None = None
    policy: Policy = "drop"
    first: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    unwritten: int = 0
    """Answers whose reasoning the chat template does not write."""

    def items(self, conversation: Conversation) -> list[list[Example]]:
        """Return what is trained of a conversation; each item is a list of alternatives, one drawn in each epoch."""
        chosen: Sequence[int] = range(len(conversation.references))
        if self.objective.references == "best":
            chosen = [best([self.tokenizer.encode(text) for text in conversation.references])]
        self.unwritten += unwritten(conversation.complete(), self.tokenizer)
        whole = [self._marked(conversation.complete(reference)) for reference in chosen]
        found: list[list[Example]] = []
        if self.start is not None:  # each earlier answer is an item of its own
            for turn, message in enumerate(whole[0][:-1]):
                if message.train and message.role == "assistant":
                    found += self._alternatives([whole[0][: turn + 1]])
            whole = [messages for messages in whole if messages[-1].train]
        if not any(message.train for messages in whole for message in messages) and not found:
            self.counts[NOTHING] += 1
            return []
        return found + (self._alternatives(whole) if whole else [])

    def _marked(self, messages: Sequence[Message]) -> list[Message]:
        """Decide for each message whether it is trained: the row first, else the recipe."""
        last, every = len(messages) - 1, self.objective.train == "all"
        return [
            message
            if message.train is not None
            else replace(message, train=message.role == "assistant" and (every or i == last))
            for i, message in enumerate(messages)
        ]

    def _alternatives(self, whole: Sequence[Sequence[Message]]) -> list[list[Example]]:
        """Return the Examples of one item, one a reference: all of them, or alternatives to draw from."""
        fitting = [parts for messages in whole if (parts := self._fitted(messages)) is not None]
        if lost := len(whole) - len(fitting):
            what, count = ("reference longer", lost) if fitting else ("longer", 1)
            self.counts[f"{what} than {self.length} tokens"] += count
        if not fitting:
            return []
        every = self.objective.references == "all"
        weight = 1.0 / len(fitting) if every else 1.0
        made = [self._example(*parts, weight) for parts in fitting]
        return [[example] for example in made] if every else [made]

    def _fitted(self, messages: Sequence[Message]) -> tuple[list[Segment], list[int]] | None:
        """Return the segments to read and, beside an encoder, the ids to write; None if they do not fit."""
        bos = self.tokenizer.vocabulary.bos
        answer: list[int] = []
        if self.start is None:
            segments = render(messages, self.tokenizer)
        else:
            read = [replace(message, train=False) for message in messages[:-1]]
            answer = [] if self.first is None else [self.first]  # as it is forced when the model is asked
            answer += ids(one for one in render([*read, messages[-1]], self.tokenizer) if one.train)
            segments = render(read, self.tokenizer, generate=True)
            if len(answer) > self.length:
                return None
        fitted = shorten(segments, self.length, self.policy, bos)
        if fitted is not None and sum(len(one.ids) for one in fitted) < sum(len(one.ids) for one in segments):
            self.counts[f"cut to {self.length} tokens by {self.policy}"] += 1
        return None if fitted is None else (fitted, answer)

    def _example(self, segments: list[Segment], answer: list[int], weight: float) -> Example:
        if self.start is None:
            return self.objective.dialogue(segments, weight)
        return self.objective.answer(ids(segments), answer, self.start, weight)


def best(references: Sequence[Sequence[int]]) -> int:
    """Return the number of the reference with the highest mean token F1 with the others, the first of equals."""
    bags = [Counter(reference) for reference in references]

    def agreement(i: int) -> float:
        bag, others = bags[i], bags[:i] + bags[i + 1 :]
        scores = [2 * (bag & other).total() / max(1, bag.total() + other.total()) for other in others]
        return sum(scores) / max(1, len(scores))

    return max(range(len(bags)), key=agreement)
