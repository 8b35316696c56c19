"""Supervised fine-tuning: next-token prediction on the trained segments alone, everything else IGNORE."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from trivium.base.types import IGNORE, Example, Segment
from trivium.objective.objective import Objective, aligned


class Instruct(Objective, kind="instruct"):
    """Predict the answers of a conversation and their end tokens.

    `references` says what becomes of several right answers: `sample` takes one of them anew in each epoch, `all`
    takes every one and lets each count 1/k, so that a row counts once whatever its number of answers.
    """

    reads: ClassVar[Literal["documents", "conversations"]] = "conversations"
    references: Literal["sample", "all"] = "sample"

    def dialogue(self, segments: Sequence[Segment], weight: float = 1.0) -> Example:
        ids = np.array([token for segment in segments for token in segment.ids], dtype=np.int64)
        trained = np.array([segment.train for segment in segments for _ in segment.ids], dtype=bool)
        targets = aligned(np.where(trained, ids, IGNORE), None, IGNORE)
        weights = None if weight == 1.0 else np.full(len(ids), weight, dtype=np.float32)
        return Example(dec=ids, targets={"token": targets}, weights=weights)
