"""Rows of words and a tag for each: `{"tokens": ["Ann", "ran"], "tags": ["B-who", "O"]}`."""

from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import model_validator

from trivium.base.config import Seq
from trivium.base.types import IGNORE, Example
from trivium.rows.kinds.text import number
from trivium.rows.record import Record
from trivium.token.layout import Layout, spans


class TaggedWords(Record, kind="tagged"):
    """Words, and a tag for each."""

    also: ClassVar = {"tokens": ("words",), "tags": ("labels", "ner_tags", "pos_tags")}
    columns: ClassVar = ("tokens", "tags")
    answer_field: ClassVar = "tags"
    tokens: Seq[str]
    tags: Seq[str | int] = ()

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.tags and len(self.tags) != len(self.tokens):
            raise ValueError(f"tags: expected one for each of {len(self.tokens)} tokens, found {len(self.tags)}")
        if self.tags and all(isinstance(tag, int) or tag.strip().isdigit() for tag in self.tags):
            raise ValueError(
                f"tags: expected names such as O and B-PER, found numbers: {', '.join(map(str, self.tags[:5]))}; "
                "write the names into the rows (a .parquet of `datasets` has them in its metadata)"
            )
        if not self.tokens:
            raise ValueError("tokens: expected at least one, found none")
        return self

    @property
    def names(self) -> list[str]:
        """The tags by name, none in a row that only asks."""
        return [str(tag).strip() for tag in self.tags]

    def right(self) -> list[str]:
        """Return the tags by name; a row without tags is a ValueError."""
        if not self.tags:
            raise ValueError(f"tags: expected one for each of {len(self.tokens)} tokens, found none")
        return self.names

    def laid(self, layout: Layout) -> tuple[Example, list[int | None]]:
        """Lay the words before a head; return where the first token of each is, None for a word that was cut off."""
        joined, begins = "", []
        for word in self.tokens:
            begins.append(len(joined) + bool(joined))
            joined += (" " if joined else "") + word
        found, places = spans(layout.tokenizer, joined)
        fitting = layout.cut([found])
        shift = len(layout.frame.before)
        first: dict[int, int] = {}
        for index, (begin, end) in enumerate(places[: len(fitting[0])]):
            for word_number in range(*np.searchsorted(begins, [begin, max(end, begin + 1)])):
                first.setdefault(int(word_number), index + shift)
        return layout.example(fitting), [first.get(at) for at in range(len(self.tokens))]

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Example]:
        """Return one Example; the tag of a word is the target of its first token."""
        names = self.right()
        example, at = self.laid(layout)
        if None in at:
            counts[layout.reason] += 1
        aligned = np.full(len(example), IGNORE, dtype=np.int64)
        for place, name in zip(at, names, strict=True):
            if place is not None:
                aligned[place] = number(name, head.labels)
        return [replace(example, targets={"tag": aligned})]
