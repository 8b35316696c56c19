"""Conversations in files become rows of Examples: text reads and renders them, the objective masks them.

What is left out is counted by reason. Every row counts the same, however many right answers it has.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from trivium.base.errors import DataError
from trivium.base.types import Example, Message, Segment
from trivium.data.rows import ExampleRows, Packing
from trivium.objective.instruct import Instruct
from trivium.rows.read import BAD, Conversation, RowReading, read_rows
from trivium.rows.shorten import Policy, shorten
from trivium.token.template import ids, render
from trivium.token.tokenizer import Tokenizer

NOTHING = "nothing in it is trained"


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
    shortened: Counter[str] | None = None,
) -> tuple[ExampleRows, Counter[str]]:
    """Render every row of the files; give the rows and, by reason, how many were dropped.

    `start` is the id that the decoder beside an encoder begins with; None is a model without an encoder. Rows that
    `too_long` made fit are counted in `shortened`. An answer is never cut, so no end token is trained in a wrong place.
    """
    maker = Maker(tokenizer, objective, length, start, too_long)
    choices: list[list[Example]] = []
    for where, conversation in read_rows(paths, reading, maker.dropped):
        try:
            choices += maker.items(conversation)
        except DataError as wrong:
            if not reading.skip_bad:
                raise DataError(f"{where}: {wrong}") from None
            maker.dropped[BAD] += 1
    if shortened is not None:
        shortened.update(maker.shortened)
    if not choices and maker.dropped:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in maker.dropped.items())
        raise DataError(f"no rows to train on: every one was dropped ({reasons})")
    return ExampleRows(choices, length, seed, packing), maker.dropped


class Maker:
    """Makes the Examples of conversations and counts what it leaves out."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        objective: Instruct,
        length: int,
        start: int | None = None,
        too_long: Policy = "drop",
    ) -> None:
        self.tokenizer, self.objective, self.length = tokenizer, objective, length
        self.start, self.policy = start, too_long
        self.dropped: Counter[str] = Counter()
        self.shortened: Counter[str] = Counter()

    def items(self, conversation: Conversation) -> list[list[Example]]:
        """What is to be trained of a conversation, each with the alternatives of which an epoch draws one."""
        chosen: Sequence[int] = range(len(conversation.references))
        if self.objective.references == "best":
            chosen = [best([self.tokenizer.encode(text) for text in conversation.references])]
        whole = [self._marked(conversation.complete(reference)) for reference in chosen]
        last = len(whole[0]) - 1
        found: list[list[Example]] = []
        if self.start is not None:  # earlier answers do not depend on the last one
            for turn in range(last):
                if whole[0][turn].train and whole[0][turn].role == "assistant":
                    found += self._alternatives([whole[0][: turn + 1]])
            whole = [messages for messages in whole if messages[-1].train]
        if not any(message.train for messages in whole for message in messages) and not found:
            self.dropped[NOTHING] += 1
            return []
        return found + (self._alternatives(whole) if whole else [])

    def _marked(self, messages: Sequence[Message]) -> list[Message]:
        """The messages, with the recipe's choice of what is trained where the row leaves it open."""
        last, every = len(messages) - 1, self.objective.train == "all"
        return [
            message
            if message.train is not None
            else replace(message, train=message.role == "assistant" and (every or i == last))
            for i, message in enumerate(messages)
        ]

    def _alternatives(self, whole: Sequence[Sequence[Message]]) -> list[list[Example]]:
        """The Examples of one item, by reference: all together, or to be drawn from."""
        fitting = [parts for messages in whole if (parts := self._fitted(messages)) is not None]
        if lost := len(whole) - len(fitting):
            if fitting:
                self.dropped[f"reference longer than {self.length} tokens"] += lost
            else:
                self.dropped[f"longer than {self.length} tokens"] += 1
        if not fitting:
            return []
        every = self.objective.references == "all"
        weight = 1.0 / len(fitting) if every else 1.0
        made = [self._example(*parts, weight) for parts in fitting]
        return [[example] for example in made] if every else [made]

    def _fitted(self, messages: Sequence[Message]) -> tuple[list[Segment], list[int]] | None:
        """What is read, and beside an encoder what is written, made to fit; None where it cannot be."""
        bos = self.tokenizer.vocabulary.bos
        answer: list[int] = []
        if self.start is None:
            segments = render(messages, self.tokenizer)
        else:
            read = [replace(message, train=False) for message in messages[:-1]]
            answer = ids(one for one in render([*read, messages[-1]], self.tokenizer) if one.train)
            segments = render(read, self.tokenizer, generate=True)
            if len(answer) > self.length:
                return None
        fitted = shorten(segments, self.length, self.policy, bos)
        if fitted is not None and sum(len(one.ids) for one in fitted) < sum(len(one.ids) for one in segments):
            self.shortened[f"cut to {self.length} tokens by {self.policy}"] += 1
        return None if fitted is None else (fitted, answer)

    def _example(self, segments: list[Segment], answer: list[int], weight: float) -> Example:
        if self.start is None:
            return self.objective.dialogue(segments, weight)
        return self.objective.answer(ids(segments), answer, self.start, weight)


def best(references: Sequence[Sequence[int]]) -> int:
    """The reference that agrees most with the others: the highest mean F1 of tokens, the first of equals."""
    bags = [Counter(reference) for reference in references]

    def agreement(i: int) -> float:
        others = [2 * (bags[i] & bag).total() / max(1, bags[i].total() + bag.total()) for bag in _without(bags, i)]
        return sum(others) / max(1, len(others))

    return max(range(len(bags)), key=agreement)


def _without(bags: Sequence[Counter[int]], at: int) -> Iterator[Counter[int]]:
    return (bag for i, bag in enumerate(bags) if i != at)
