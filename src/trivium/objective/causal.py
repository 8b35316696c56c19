"""Next-token prediction (GPT). Every token but the first of a document is a target exactly once."""

from typing import ClassVar

import numpy as np

from trivium.base.types import Example, Vocabulary
from trivium.objective.objective import Frame, Objective, Rng, aligned, ends


class CausalLM(Objective, kind="causal"):
    """Predict each token from the tokens before it. BOS and EOS stand around each document."""

    covers: ClassVar = True

    def frame(self, vocabulary: Vocabulary) -> Frame:
        return ends(vocabulary)

    def piece(self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: Rng) -> Example:
        return Example(dec=ids, targets={"token": aligned(ids, following)})
