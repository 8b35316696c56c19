"""Supervised fine-tuning: next-token prediction on the trained segments alone, everything else IGNORE."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from trivium.base.types import IGNORE, Example, Segment
from trivium.objective.objective import Objective, aligned, shifted


class Instruct(Objective, kind="instruct"):
    """Predict the answers of a conversation and their end tokens.

    A decoder reads the whole conversation and learns its answers in one pass. An encoder-decoder reads what stands
    before an answer in its encoder and writes the answer, so each answer is an Example of its own.

    `references` says what becomes of several right answers: `sample` takes one of them anew in each epoch, `all`
    takes every one and lets each count 1/k, so that a row counts once whatever its number of answers, and `best` takes
    the one that the others agree with most: the highest mean token F1 with them, the first of equals. It needs no
    model, so it is the same in every epoch and on every machine.

    `train` says which answers of a conversation count: `all` of the assistant's, or the `last` alone. What a row says
    of one turn goes before either.
    """

    reads: ClassVar[Literal["documents", "conversations"]] = "conversations"
    references: Literal["sample", "all", "best"] = "sample"
    train: Literal["all", "last"] = "all"

    @property
    def families(self) -> tuple[str, ...]:
        return ("decoder", "encoder_decoder")

    def dialogue(self, segments: Sequence[Segment], weight: float = 1.0) -> Example:
        ids = np.array([token for segment in segments for token in segment.ids], dtype=np.int64)
        trained = np.array([segment.train for segment in segments for _ in segment.ids], dtype=bool)
        targets = aligned(np.where(trained, ids, IGNORE), None, IGNORE)
        return Example(dec=ids, targets={"token": targets}, weights=_weights(len(ids), weight))

    def answer(self, prompt: Sequence[int], answer: Sequence[int], start: int, weight: float = 1.0) -> Example:
        """Make an Example for an encoder-decoder: the encoder reads the prompt, the decoder begins with `start`."""
        made = shifted(np.array(prompt, dtype=np.int64), np.array(answer, dtype=np.int64), start)
        return Example(enc=made.enc, dec=made.dec, targets=made.targets, weights=_weights(len(answer), weight))


def _weights(length: int, weight: float) -> np.ndarray | None:
    return None if weight == 1.0 else np.full(length, weight, dtype=np.float32)
