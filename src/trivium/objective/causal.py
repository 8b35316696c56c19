"""Next-token prediction (GPT). Every token but a document's first is a target exactly once."""

from typing import ClassVar

import numpy as np

from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.objective.objective import Objective, aligned


class CausalLM(Objective, kind="causal"):
    """Predict each token from those before it. A document is framed by BOS and EOS, where the vocabulary has them."""

    covers: ClassVar[bool] = True

    def frame(self, vocabulary: Vocabulary) -> tuple[tuple[int, ...], tuple[int, ...]]:
        ends = [(token,) if token is not None else () for token in (vocabulary.bos, vocabulary.eos)]
        return ends[0], ends[1]

    def piece(
        self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: np.random.Generator
    ) -> Example:
        return Example(dec=ids, targets={"token": aligned(ids, following, IGNORE)})
