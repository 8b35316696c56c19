"""Captions: what stands in a picture, or the answer to a question about it."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from trivium.base.types import IGNORE, Example, Patches
from trivium.objective.records import TaskObjective


class CaptionObjective(TaskObjective, kind="caption"):
    """Write a text about a picture; nothing before the text is trained."""

    loss: ClassVar = "token"
    families: ClassVar = ("encoder_decoder",)
    pictures: ClassVar = True

    def example(self, picture: Patches, before: Sequence[int], answer: Sequence[int], prefix: bool = False) -> Example:
        """Return the Example of a picture and its text.

        The decoder reads `before` (its start, the places of the picture if they are its own, a question) and writes
        `answer`, whose end token is the last target. With `prefix` all before is attended to in both directions where
        the pattern allows it.
        """
        ids = np.array([*before, *answer], dtype=np.int64)
        targets = ids[1:].copy()
        targets[: len(before) - 1] = IGNORE
        marked = len(before) if prefix else 0
        return Example(picture.values, ids[:-1], {"token": targets}, prefix=marked, places=picture.places)
