"""The family of objectives: pure functions of token ids and a seeded generator."""

from typing import ClassVar, Literal

import numpy as np

from trivium.base.config import Choice
from trivium.base.errors import ConfigError
from trivium.base.types import IGNORE, Example, Vocabulary

Rng = np.random.Generator
Frame = tuple[tuple[int, ...], tuple[int, ...]]


class Objective(Choice):
    """A way to make training examples of text."""

    reads: ClassVar[Literal["documents", "conversations", "records"]] = "documents"
    """Pieces of running text, rendered conversations, or the rows of a task."""
    loss: ClassVar[str] = "token"
    """The kind of its loss (`train/loss`)."""
    covers: ClassVar[bool] = False
    """Whether every token of a text is a target once, so that losses add up to bits per byte."""
    families: ClassVar[tuple[str, ...]] = ("decoder",)
    """The families of models that can learn it: `encoder`, `decoder`, `encoder_decoder`."""

    pictures: ClassVar[bool | None] = False
    """Whether it is learned by models that read pictures; None is by others too."""

    def fits(self, family: str, pictures: bool = False) -> None:
        """Raise ConfigError for a model that cannot learn it: of another family, or one that does not read alike."""
        if self.pictures not in (None, pictures):
            reads = "reads pictures: finetune caption or classify" if pictures else "reads no pictures"
            raise ConfigError(f"objective: {self.kind} is not for this model, which {reads}")
        if family not in self.families:
            wanted = " or ".join(self.families)
            raise ConfigError(
                f"objective: {self.kind} is for {wanted} models, and this model is of family {family}; "
                "docs/objectives.md lists the objectives of each family"
            )

    def frame(self, vocabulary: Vocabulary) -> Frame:
        """Return the ids before and after every document; raise ConfigError for a vocabulary without needed tokens."""
        return (), ()

    def room(self, length: int) -> int:
        """Return how many raw tokens become a row of `length`."""
        return length

    def piece(self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: Rng) -> Example:
        """Return the Example of a piece of a document; `following` is the id after the piece, if there is one."""
        raise NotImplementedError(f"{self.kind} does not read documents")


def aligned(ids: np.ndarray, following: int | None) -> np.ndarray:
    """Return the target of each position of `ids`, which is the next id."""
    targets = np.empty(len(ids), dtype=np.int64)
    targets[:-1], targets[-1] = ids[1:], IGNORE if following is None else following
    return targets


def ends(vocabulary: Vocabulary) -> Frame:
    """Return BOS before and EOS after a document, each only if the vocabulary has it."""
    before, after = ((token,) if token is not None else () for token in (vocabulary.bos, vocabulary.eos))
    return before, after


def start_id(start: str, vocabulary: Vocabulary) -> int:
    """Return the first id of a decoder beside an encoder: EOS if `start` is "eos" and there is one, else PAD."""
    return vocabulary.eos if start == "eos" and vocabulary.eos is not None else vocabulary.pad


def shifted(source: np.ndarray, target: np.ndarray, start: int) -> Example:
    """Return an Example whose encoder reads `source` and whose decoder begins with `start` and writes `target`."""
    return Example(enc=source, dec=np.concatenate([[start], target[:-1]]), targets={"token": target})


def joined(source: np.ndarray, target: np.ndarray) -> Example:
    """Return an Example whose decoder reads `source` as its prefix and continues with `target`."""
    ids = np.concatenate([source, target])
    targets = aligned(ids, None)
    targets[: len(source) - 1] = IGNORE
    return Example(dec=ids, targets={"token": targets}, prefix=len(source))
