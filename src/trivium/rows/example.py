"""Records become rows of Examples, one maker for each kind of task; what is left out or cut is counted by reason."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from trivium.base.errors import DataError
from trivium.base.types import IGNORE, Example, Message
from trivium.rows.labelled import Better, Group, Question, Text, Words
from trivium.rows.read import BAD
from trivium.token.layout import Layout, spans
from trivium.token.template import ids, render

Record = TypeVar("Record")
Made = TypeVar("Made")

CUT = "cut to the model's context"


class GroupRows:
    """Rows that are groups of examples which must stay together; each group is a row of its own."""

    length: int | None = None

    def __init__(self, groups: Sequence[Sequence[Example]]) -> None:
        if not groups:
            raise DataError("no rows to train on: every one was dropped, or there were none")
        self.groups = groups

    def size(self, epoch: int) -> int:
        return len(self.groups)

    def row(self, epoch: int, index: int) -> list[Example]:
        return list(self.groups[index])


def each(
    rows: Iterable[tuple[str, Record]], make: Callable[[str, Record], Made], skip_bad: bool, counts: Counter[str]
) -> Iterator[Made]:
    """What is made of each row; a row that cannot be made is an error, or with `skip_bad` counted."""
    for where, one in rows:
        try:
            made = make(where, one)
        except DataError:
            if not skip_bad:
                raise
            counts[BAD] += 1
        else:
            yield made


def names(found: Iterable[str]) -> tuple[str, ...]:
    """Labels in order: numbers by size, others by name."""
    every = set(found)
    if all(label.isdigit() for label in every):
        return tuple(sorted(every, key=int))
    return tuple(sorted(every))


def numbered(labels: Sequence[str], name: str, where: str) -> int:
    """The number of a label; one that the model does not have is a DataError."""
    if name not in labels:
        known = ", ".join(labels[:20]) + (" ..." if len(labels) > 20 else "")
        raise DataError(f"{where}: label {name!r} is none of the model's: {known}")
    return labels.index(name)


def text(one: Text, layout: Layout, counts: Counter[str]) -> Example:
    """A text, or two, before a head that reads it whole."""
    parts: list[Sequence[int]] = [layout.tokenizer.encode(part) for part in one.texts]
    fitting = layout.cut(parts)
    if sum(map(len, fitting)) < sum(map(len, parts)):
        counts[CUT] += 1
    return layout.example(fitting)


def target(one: Text, labels: Sequence[str], multi_label: bool, where: str) -> np.ndarray:
    """The number of a text's label, or for each label whether it holds."""
    if multi_label:
        made = np.zeros(len(labels), dtype=np.int64)
        made[[numbered(labels, name, where) for name in one.labels]] = 1
        return made
    if len(one.labels) != 1:
        raise DataError(f"{where}: label: expected one, found {len(one.labels)}")
    return np.array(numbered(labels, one.labels[0], where))


def words(one: Words, layout: Layout) -> tuple[Example, list[int | None]]:
    """Words laid before a head, and where the first token of each is; None is one that was cut off."""
    joined, begins = "", []
    for word in one.tokens:
        begins.append(len(joined) + bool(joined))
        joined += (" " if joined else "") + word
    found, places = spans(layout.tokenizer, joined)
    fitting = layout.cut([found])
    shift = len(layout.frame.before)
    first: dict[int, int] = {}
    for index, (begin, end) in enumerate(places[: len(fitting[0])]):
        for number in range(*np.searchsorted(begins, [begin, max(end, begin + 1)])):
            first.setdefault(int(number), index + shift)
    return layout.example(fitting), [first.get(number) for number in range(len(one.tokens))]


def tagged(example: Example, at: Sequence[int | None], tags: Sequence[int]) -> Example:
    """The same example with its tags where its words begin."""
    aligned = np.full(len(example), IGNORE, dtype=np.int64)
    for place, tag in zip(at, tags, strict=True):
        if place is not None:
            aligned[place] = tag
    return replace(example, targets={"tag": aligned})


class ContextWindow:
    """A question with a part of its context, and where in the context, in characters, each of its tokens is."""

    def __init__(self, example: Example, first: int, places: np.ndarray) -> None:
        self.example, self.first, self.places = example, first, places

    def span(self, begin: int, end: int) -> tuple[int, int] | None:
        """The first and last token of these characters, or None if they are not all here."""
        touched = np.flatnonzero((self.places[:, 1] > begin) & (self.places[:, 0] < end))
        if not len(touched) or self.places[touched[0], 0] > begin or self.places[touched[-1], 1] < end:
            return None
        return self.first + int(touched[0]), self.first + int(touched[-1])


def windows(one: Question, layout: Layout, stride: int) -> Iterator[ContextWindow]:
    """A question with each part of its context that fits beside it."""
    question = layout.tokenizer.encode(one.question)
    found, places = spans(layout.tokenizer, one.context)
    question = question[: layout.room(2) // 2]
    room = layout.room(2) - len(question)
    at = 0
    while True:
        parts = [question, found[at : at + room]]
        yield ContextWindow(layout.example(parts), layout.frame.lay(parts)[2][1], places[at : at + room])
        if at + room >= len(found):
            return
        at += min(stride, room)


def answered(one: Question, unanswerable: bool, where: str) -> bool:
    """Whether a question has an answer that can be learned; one that may not be without is a DataError."""
    if len(one.answers.text) != len(one.answers.answer_start):
        raise DataError(
            f"{where}: answers.answer_start: expected one for each of {len(one.answers.text)} texts, "
            f"found {len(one.answers.answer_start)}"
        )
    if not one.answers.text and not unanswerable:
        raise DataError(
            f"{where}: answers: expected at least one, found none; where questions may have no "
            "answer in their context, say objective.unanswerable=true"
        )
    return bool(one.answers.text)


def located(one: Question, window: ContextWindow) -> Example:
    """A window with where its answer begins and ends; the first token where it is not in it."""
    start = end = 0
    for answer, at in zip(one.answers.text, one.answers.answer_start, strict=False):
        if (found := window.span(at, at + len(answer))) is not None:
            start, end = found
            break
    return replace(window.example, targets={"start": np.array(start), "end": np.array(end)})


def group(one: Group, layout: Layout, counts: Counter[str]) -> list[Example]:
    """The texts of a group; the first knows how many follow."""
    made = [text(Text(text=part), layout, counts) for part in (one.anchor, one.positive, *one.negatives)]
    return [replace(made[0], targets={"group": np.array(len(made) - 1)}), *made[1:]]


def better(one: Better, layout: Layout) -> list[Example] | None:
    """Both answers behind what was said, each masked but for itself; None where one of them is too long."""
    turns, *answers = one.messages
    before = [replace(turn, train=False) for turn in turns]
    made = []
    for answer in answers:
        segments = render((*before, Message("assistant", answer, True)), layout.tokenizer)
        row = np.array(ids(segments), dtype=np.int64)
        trained = np.array([segment.train for segment in segments for _ in segment.ids], dtype=bool)
        if len(row) > layout.length:
            return None
        targets = np.append(np.where(trained, row, IGNORE)[1:], IGNORE)
        made.append(Example(dec=row, targets={"token": targets}))
    return made


def with_margin(pair: Sequence[Example], margin: float) -> list[Example]:
    """A pair with what the reference model makes of it: log p(chosen) - log p(rejected)."""
    chosen, rejected = pair
    targets: Mapping[str, np.ndarray] = {**chosen.targets, "margin": np.array(margin, dtype=np.float32)}
    return [replace(chosen, targets=targets), rejected]
