"""Rows of a query, a passage, and a number for the pair.

{"query": "...", "passage": "...", "label": 1}      whether the passage answers the query
{"sentence1": "...", "sentence2": "...", "score": 3.8}
{"text": "...", "score": 2.5}                       a number for one text
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator

from trivium.base.types import Example
from trivium.rows.record import Record, lay
from trivium.token.layout import Layout


def _as_number(value: Any) -> Any:
    """Return a cell of a table, or a truth value, as a number; what is none stays as it is."""
    try:
        return float(value) if isinstance(value, str | bool) else value
    except ValueError:
        return value


class ScoredPair(Record, kind="scored"):
    """A query and a passage, or one text, and its score."""

    columns: ClassVar = ("query", "score")
    wide: ClassVar = ("query", "passage", "score")
    answer_field: ClassVar = "score"
    also: ClassVar = {
        "query": ("text", "sentence1", "question", "premise", "anchor", "sentence"),
        "passage": ("text_pair", "sentence2", "document", "hypothesis", "answer", "sentence"),
        "score": ("label", "relevance", "similarity", "similarity_score", "rating"),
    }
    query: str
    passage: str | None = None
    score: Annotated[float, BeforeValidator(_as_number)] | None = None

    @classmethod
    def keys(cls, names: Iterable[str]) -> dict[str, str]:
        """Return the keys of the fields; a `sentence` is the passage only beside a `question`."""
        found = super().keys(names)
        if found.get("passage") == found.get("query"):
            found.pop("passage", None)
        return found

    @property
    def texts(self) -> list[str]:
        """The one text, or both."""
        return [self.query] if self.passage is None else [self.query, self.passage]

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Example]:
        target = np.array([self.number(head.regression)], dtype=np.float32)
        return [replace(lay(self.texts, layout, counts), targets={"label": target})]

    def number(self, any_number: bool) -> float:
        """Return the score; a ValueError if there is none, or it is not from 0 to 1 and not `any_number`."""
        if self.score is None or not math.isfinite(self.score):
            raise ValueError(f"score: expected a number, found {'none' if self.score is None else self.score}")
        if not any_number and not 0 <= self.score <= 1:
            raise ValueError(
                f"score: expected a number from 0 to 1, found {self.score:g}; "
                "objective.problem_type=regression learns any number"
            )
        return self.score


def by_query(records: Iterable[ScoredPair]) -> Mapping[str, list[int]]:
    """Return the places of the records of each query."""
    found: dict[str, list[int]] = {}
    for at, one in enumerate(records):
        found.setdefault(one.query, []).append(at)
    return found
