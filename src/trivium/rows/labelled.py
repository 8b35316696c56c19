"""Rows of tasks that have a head of their own, as records: what a text is called, what its words are, where an answer
stands, which texts belong together, which of two answers is better.

Keys that are not a record's are passed over. Of formats for conversations `rows` knows; nothing here knows a tokenizer.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError, model_validator

from trivium.base.config import Config, Seq
from trivium.base.errors import ConfigError, DataError
from trivium.base.types import Message
from trivium.corpus.read.text import TextFile
from trivium.rows import table
from trivium.rows.pair import Label
from trivium.rows.read import BAD, explain
from trivium.rows.row import Keys, RowReading

CONLL = (".conll", ".bio", ".iob", ".iob2")


class Labelled(Keys, Config):
    """A record; its fields are the keys of a row."""

    format: ClassVar[str] = ""
    """What the same rows are called as conversations, where they can be that."""


class Text(Labelled):
    """A text, or two, and its label, or several; without one it is to be labelled."""

    format: ClassVar[str] = "label"
    also: ClassVar = Label.also
    columns: ClassVar = Label.columns
    text: str
    text_pair: str | None = None
    label: str | int | Seq[str | int] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels by name."""
        found = () if self.label is None else self.label if isinstance(self.label, tuple) else (self.label,)
        return tuple(str(label) for label in found)

    @property
    def texts(self) -> list[str]:
        """The one text, or both."""
        return [self.text] if self.text_pair is None else [self.text, self.text_pair]


class Words(Labelled):
    """Words and a tag for each."""

    also: ClassVar = {"tokens": ("words",), "tags": ("labels", "ner_tags", "pos_tags")}
    tokens: Seq[str]
    tags: Seq[str | int] = ()

    @model_validator(mode="after")
    def _fit(self) -> "Words":
        if self.tags and len(self.tags) != len(self.tokens):
            raise ValueError(f"tags: expected one for each of {len(self.tokens)} tokens, found {len(self.tags)}")
        if not self.tokens:
            raise ValueError("tokens: expected at least one, found none")
        return self


class Answers(Config):
    """SQuAD's answers, with where each begins in the context, in characters."""

    text: Seq[str] = ()
    answer_start: Seq[int] = ()


class Question(Labelled):
    """A question about a context; without answers it cannot be answered from it."""

    format: ClassVar[str] = "squad"
    question: str
    context: str
    answers: Answers = Answers()
    id: str = ""

    @model_validator(mode="after")
    def _fit(self) -> "Question":
        for text, at in zip(self.answers.text, self.answers.answer_start, strict=False):
            if self.context[at : at + len(text)] != text:
                raise ValueError(
                    f"answers: expected {text!r:.60} at {at} of the context, "
                    f"found {self.context[at : at + len(text)]!r:.60}"
                )
        return self


class Group(Labelled):
    """A text, one that belongs to it, and some that do not. Rows of one `label` belong together too."""

    also: ClassVar = {
        "anchor": ("query", "sentence1", "question"),
        "positive": ("pos", "sentence2", "answer"),
        "negative": ("neg", "negatives"),
    }
    columns: ClassVar = ("anchor", "positive")
    anchor: str
    positive: str
    negative: str | Seq[str] = ()
    label: str | int | None = None

    @property
    def negatives(self) -> tuple[str, ...]:
        """Texts that do not belong to the anchor."""
        return (self.negative,) if isinstance(self.negative, str) else self.negative


class Better(Labelled):
    """What was said, and two answers: the chosen one is the better. Each may be a text or a list of messages."""

    also: ClassVar = {"prompt": ("question", "instruction")}
    prompt: str | list[dict[str, Any]] = ""
    input: str = ""
    chosen: str | list[dict[str, Any]]
    rejected: str | list[dict[str, Any]]

    @model_validator(mode="after")
    def _fit(self) -> "Better":
        assert self.messages
        return self

    @property
    def messages(self) -> tuple[tuple[Message, ...], str, str]:
        """(the messages before, the chosen answer, the rejected answer)."""
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


T = TypeVar("T", bound=Labelled)


def read(
    kind: type[T], paths: Iterable[str | Path], reading: RowReading = RowReading(), counts: Counter[str] | None = None
) -> Iterator[tuple[str, T]]:
    """Read files as (where, record); with `skip_bad` rows that do not fit are counted in `counts`."""
    counts = Counter() if counts is None else counts
    if reading.format not in (None, kind.format):
        known = f"expected {kind.format}" if kind.format else "expected none"
        raise ConfigError(
            f"format: {known}, for this task reads rows with the keys {{{', '.join(kind.required())}}}; "
            f"found {reading.format!r}"
        )
    for path in map(Path, paths):
        for where, row in plain(path, reading, kind.columns):
            try:
                yield where, parse(kind, row, where)
            except DataError:
                if not reading.skip_bad:
                    raise
                counts[BAD] += 1


def plain(
    path: str | Path, reading: RowReading = RowReading(), names: tuple[str, str] = ("source", "target")
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a file as they stand there, CoNLL's columns as tokens and tags."""
    path = Path(path)
    if table.suffix(path) in CONLL:
        return _conll(path)
    return table.records(path, reading.columns, names)


def parse(kind: type[T], row: dict[str, Any], where: str) -> T:
    """One row as a record; `where` stands in front of every error."""
    keys = kind.keys(row)
    if missing := [key for key in kind.required() if key not in keys]:
        raise DataError(
            f"{where}: expected the keys {{{', '.join(kind.required())}}}, found {{{', '.join(row)}}}; "
            f"no {missing[0]!r}"
        )
    try:
        return kind.model_validate({name: row[key] for name, key in keys.items() if row[key] is not None})
    except ValidationError as wrong:
        raise DataError(f"{where}: {explain(wrong, keys)}") from None


def _turns(said: str | list[dict[str, Any]], key: str, role: str) -> tuple[Message, ...]:
    if isinstance(said, str):
        return (Message(role, said),) if said else ()
    for i, turn in enumerate(said):
        if not isinstance(turn.get("role"), str) or not isinstance(turn.get("content"), str):
            raise ValueError(f"{key}[{i}]: expected role and content, found {turn!r:.60}")
    return tuple(Message(turn["role"], turn["content"]) for turn in said)


def _conll(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Sentences of a CoNLL file: a word and its tag a line, first and last column; a blank line ends a sentence."""
    tokens: list[str] = []
    tags: list[str] = []
    begin = 1
    for number, line in TextFile(path).lines():
        cells = line.split()
        if cells and cells[0] not in ("-DOCSTART-", "#"):
            if len(cells) < 2:
                raise DataError(f"{path}:{number}: expected a word and its tag, found {line.strip()!r:.60}")
            begin = begin if tokens else number
            tokens.append(cells[0])
            tags.append(cells[-1])
        elif tokens:
            yield f"{path}:{begin}", {"tokens": tokens, "tags": tags}
            tokens, tags = [], []
    if tokens:
        yield f"{path}:{begin}", {"tokens": tokens, "tags": tags}
