"""The contract of every objective: pure functions of token ids and a seeded generator."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from trivium.base.config import Choice
from trivium.base.types import Example, Segment, Vocabulary


class Objective(Choice):
    """A way of making a training task out of text."""

    reads: ClassVar[Literal["documents", "conversations"]] = "documents"
    """Pieces of running text, or conversations rendered into segments."""

    def frame(self, vocabulary: Vocabulary) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids that stand before and after every document."""
        return (), ()

    def room(self, length: int) -> int:
        """How many raw tokens become a row of `length`."""
        return length

    def piece(
        self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: np.random.Generator
    ) -> Example:
        """Make an Example of a piece of a document; `following` is the id that comes after it, if any."""
        raise NotImplementedError(f"{self.kind} does not read documents")

    def dialogue(self, segments: Sequence[Segment], weight: float = 1.0) -> Example:
        """Make an Example of a rendered conversation, each of whose targets counts `weight`."""
        raise NotImplementedError(f"{self.kind} does not read conversations")


def aligned(ids: np.ndarray, following: int | None, ignore: int) -> np.ndarray:
    """What each position of `ids` must predict: the next id."""
    return np.append(ids[1:], ignore if following is None else following).astype(np.int64)
