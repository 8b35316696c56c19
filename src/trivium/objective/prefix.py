"""Prefix language modelling: read the first part of a text both ways, write the rest (Raffel et al. 2019, 1910.10683).

The model's pattern decides whether the prefix is read both ways (`prefix`) or is context alone (`causal`).
"""

import numpy as np

from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.objective.objective import Objective, aligned, ends


class PrefixLM(Objective, kind="prefix"):
    """Predict each token after a cut that falls anywhere with equal chance; the tokens before it are no targets."""

    def frame(self, vocabulary: Vocabulary) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return ends(vocabulary)

    def piece(
        self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: np.random.Generator
    ) -> Example:
        cut = int(rng.integers(1, max(2, len(ids))))
        targets = aligned(ids, following, IGNORE)
        targets[: cut - 1] = IGNORE
        return Example(dec=ids, targets={"token": targets}, prefix=cut)
