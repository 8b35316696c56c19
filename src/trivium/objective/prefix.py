"""Prefix language modelling: read the first part of a text, write the rest (Raffel et al. 2019, arXiv:1910.10683).

The pattern of the model decides whether the prefix is read in both directions (`prefix`) or not (`causal`).
"""

import numpy as np

from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.objective.objective import Frame, Objective, Rng, aligned, ends


class PrefixLM(Objective, kind="prefix"):
    """Predict each token after a cut. All cuts are equally likely; the tokens before the cut are no targets."""

    def frame(self, vocabulary: Vocabulary) -> Frame:
        return ends(vocabulary)

    def piece(self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: Rng) -> Example:
        cut = int(rng.integers(1, max(2, len(ids))))
        targets = aligned(ids, following)
        targets[: cut - 1] = IGNORE
        return Example(dec=ids, targets={"token": targets}, prefix=cut)
