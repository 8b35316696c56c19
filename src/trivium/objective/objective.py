"""The contract of every objective: pure functions of token ids and a seeded generator."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from trivium.base.config import Choice
from trivium.base.errors import ConfigError
from trivium.base.types import IGNORE, Example, Segment, Vocabulary


class Objective(Choice):
    """A way of making a training task out of text."""

    reads: ClassVar[Literal["documents", "conversations", "records"]] = "documents"
    """Pieces of running text, conversations rendered into segments, or the rows of a task with a head of its own."""

    loss: ClassVar[str] = "token"
    """The loss that it is learned by (`train/loss`)."""

    covers: ClassVar[bool] = False
    """Whether every token of a text is a target once, so that losses add up to the bits of its bytes."""

    @property
    def families(self) -> tuple[str, ...]:
        """The kinds of models that can learn it: `encoder`, `decoder`, `encoder_decoder`."""
        return ("decoder",)

    def fits(self, family: str) -> None:
        """Refuse a model that cannot learn it."""
        if family not in self.families:
            wanted = " or ".join(self.families)
            raise ConfigError(
                f"objective: {self.kind} is for {wanted} models, and this one is of family {family}; "
                "docs/objectives.md says which goes with which"
            )

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
    targets = np.empty(len(ids), dtype=np.int64)
    targets[:-1], targets[-1] = ids[1:], ignore if following is None else following
    return targets


def ends(vocabulary: Vocabulary) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """BOS before and EOS after a document, where the vocabulary has them."""
    before, after = ((token,) if token is not None else () for token in (vocabulary.bos, vocabulary.eos))
    return before, after


def shifted(source: np.ndarray, target: np.ndarray, start: int) -> Example:
    """An encoder reads `source`; a decoder that begins with `start` writes `target`."""
    return Example(enc=source, dec=np.concatenate([[start], target[:-1]]), targets={"token": target})


def joined(source: np.ndarray, target: np.ndarray) -> Example:
    """A decoder reads `source`, both ways if its pattern lets it, and goes on with `target`."""
    ids = np.concatenate([source, target])
    targets = aligned(ids, None, IGNORE)
    targets[: len(source) - 1] = IGNORE
    return Example(dec=ids, targets={"token": targets}, prefix=len(source))
