"""Rows of a text, or two, and what it is called.

    {"text": "...", "label": "..."}
    {"text": "...", "text_pair": "...", "label": ["...", ...]}    a list where a text has any number of labels

In words the prefix is `classify: ` and the answer is the labels, separated by ", "; one of a list that has this in
itself stands in quotation marks.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from trivium.base.config import Seq
from trivium.base.types import Example
from trivium.rows.record import Conversation, Record, lay, said, single
from trivium.token.layout import Layout

SPACES = "spaces around a label are left out"
MINUS_ONE = (
    "label -1 is learned like any other; in many data sets it marks a row without a right label: "
    "data.rows.without='[\"-1\"]' leaves such rows out"
)


SHORT = ("tweet", "headline", "comment")


class Labelled(Record):
    """A row with a label, or a list of labels."""

    names: ClassVar[tuple[str, ...]] = ("labels", "category", "class", "topic")
    """Other names of the label."""
    label: str | int | Seq[str | int] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of all labels."""
        found = self.label if isinstance(self.label, tuple) else () if self.label is None else (self.label,)
        return tuple(str(label).strip() for label in found)

    def remarks(self, words: bool) -> tuple[str, ...]:
        given = self.label if isinstance(self.label, tuple) else (self.label,)
        spaces = any(isinstance(label, str) and label != label.strip() for label in given)
        return (MINUS_ONE,) * ("-1" in self.labels) + (SPACES,) * spaces

    def target(self, labels: Sequence[str], multi_label: bool) -> np.ndarray:
        """Return the number of the label, or with `multi_label` 0 or 1 for each label, [C]."""
        if not multi_label:
            if len(self.labels) != 1:
                raise ValueError(f"label: expected one, found {len(self.labels)}")
            return np.array(number(self.labels[0], labels))
        made = np.zeros(len(labels), dtype=np.int64)
        made[[number(name, labels) for name in self.labels]] = 1
        return made


class LabelledText(Labelled, kind="label"):
    """A text, or two, and its label or list of labels."""

    columns: ClassVar = ("text", "label")
    wide: ClassVar = ("text", "text_pair", "label")
    answer_field: ClassVar = "label"
    also: ClassVar = {
        "text": ("sentence1", "premise", "question1", "question", "sentence", "utterance", "review", "content", *SHORT),
        "text_pair": ("sentence2", "hypothesis", "question2", "passage", "sentence"),
        "label": (*Labelled.names, "intent", "sentiment", "emotion", "is_duplicate"),
    }
    text: str
    text_pair: str | None = None

    @classmethod
    def keys(cls, names: Iterable[str]) -> dict[str, str]:
        """Return the keys of the fields; a `sentence` is the second text only beside a `question`."""
        found = super().keys(names)
        if found.get("text_pair") == found.get("text"):
            found.pop("text_pair", None)
        return found

    def _in_words(self) -> str:
        """Return the labels in words: one as it is, a list as `joined`."""
        return joined(self.labels) if isinstance(self.label, tuple) else self.labels[0]

    @property
    def texts(self) -> list[str]:
        """The one text, or both."""
        return [self.text] if self.text_pair is None else [self.text, self.text_pair]

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        said(self.text, "text")
        answer = [] if self.label is None else [said(self._in_words(), "label")]
        return single("\n\n".join(text for text in self.texts if text.strip()), answer, "classify: ")

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Example]:
        target = self.target(head.labels, head.multi_label)
        return [replace(lay(self.texts, layout, counts), targets={"label": target})]


_LABEL = re.compile(r'\s*(?:"((?:[^"]|"")*)"|(.*?))\s*(?:, |$)')


def joined(labels: Iterable[str]) -> str:
    """Return a list of labels as a text that `parted` reads."""
    quoted = ('"' + label.replace('"', '""') + '"' if ", " in label or label[:1] == '"' else label for label in labels)
    return ", ".join(quoted)


def parted(text: str) -> list[str]:
    """Return the labels in a text that has them separated by ", "."""
    found = (one[1].replace('""', '"') if one[1] is not None else one[2] for one in _LABEL.finditer(text.strip()))
    return [label for label in found if label]


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels without duplicates in order: numbers by size, others by name."""
    every = set(labels)
    return tuple(sorted(every, key=int if all(label.isdigit() for label in every) else None))


def number(name: str, labels: Sequence[str]) -> int:
    """Return the number of a label; one that the model does not have is a ValueError."""
    if name not in labels:
        known = ", ".join(labels[:20]) + (" ..." if len(labels) > 20 else "")
        raise ValueError(f"label {name!r} is none of the model's: {known}")
    return labels.index(name)
