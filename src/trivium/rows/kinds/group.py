"""Rows of texts that belong together: `{"anchor": "...", "positive": "...", "negative": ["...", ...]}`."""

from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from trivium.base.config import Seq
from trivium.base.files import fingerprint
from trivium.base.types import Example
from trivium.rows.record import MEANINGFUL, Record, lay
from trivium.token.layout import Layout


class TextGroup(Record, kind="group"):
    """A text, one that belongs to it, and some that do not. Rows of one `label` belong together too."""

    also: ClassVar = {
        "anchor": ("query", "sentence1", "question"),
        "positive": ("pos", "sentence2", "answer"),
        "negative": ("neg", "negatives"),
    }
    columns: ClassVar = ("anchor", "positive")
    wide: ClassVar = ("anchor", "positive", "negative")
    meaningful: ClassVar = MEANINGFUL | {"score", "similarity", "relevance"}
    answer_field: ClassVar = "positive"
    anchor: str
    positive: str
    negative: str | Seq[str] = ()
    label: str | int | None = None

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Example]:
        """Return one Example a text; the targets of the first are how many follow it, and a number for its label."""
        negatives = (self.negative,) if isinstance(self.negative, str) else self.negative
        first, *others = (lay([text], layout, counts) for text in (self.anchor, self.positive, *negatives))
        label = -1 if self.label is None else int(fingerprint(str(self.label).strip())[:15], 16)
        return [replace(first, targets={"group": np.array(len(others)), "group_label": np.array(label)}), *others]
