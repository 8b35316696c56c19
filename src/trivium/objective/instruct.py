"""Supervised fine-tuning: next-token prediction on the trained segments only."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from trivium.base.types import IGNORE, Example, Segment
from trivium.objective.objective import Objective, aligned, shifted


class Instruct(Objective, kind="instruct"):
    """Predict the answers of a conversation and their end tokens.

    A decoder reads the whole conversation and learns all its answers in one pass. An encoder-decoder reads the part
    before an answer in its encoder and writes the answer, so each answer is an Example of its own.
    """

    reads: ClassVar = "conversations"
    families: ClassVar = ("decoder", "encoder_decoder")
    references: Literal["sample", "all", "best"] = "sample"
    """Which of several right answers are learned: one drawn anew in each epoch, all with weight 1/k, or the one with
    the highest mean token F1 with the others (the first of equals)."""
    train: Literal["all", "last"] = "all"
    """Which answers of the assistant are trained; what a row says of a turn overrides it."""

    def dialogue(self, segments: Sequence[Segment], weight: float = 1.0) -> Example:
        """Return the Example of a rendered conversation for a decoder; each target has this weight."""
        ids = np.array([token for segment in segments for token in segment.ids], dtype=np.int64)
        trained = np.array([segment.train for segment in segments for _ in segment.ids], dtype=bool)
        targets = aligned(np.where(trained, ids, IGNORE), None)
        return Example(dec=ids, targets={"token": targets}, weights=_weights(len(ids), weight))

    def answer(self, prompt: Sequence[int], answer: Sequence[int], start: int, weight: float = 1.0) -> Example:
        """Return the Example of one answer for an encoder-decoder whose decoder begins with `start`."""
        made = shifted(np.array(prompt, dtype=np.int64), np.array(answer, dtype=np.int64), start)
        return Example(enc=made.enc, dec=made.dec, targets=made.targets, weights=_weights(len(answer), weight))


def _weights(length: int, weight: float) -> np.ndarray | None:
    return None if weight == 1.0 else np.full(length, weight, dtype=np.float32)
