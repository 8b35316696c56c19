"""Next-token prediction: of whole texts (GPT), and of their second part after a prefix.

Prefix language modelling: Raffel et al. 2019 (arXiv:1910.10683). The pattern of the model decides whether the prefix is
read in both directions (`prefix`) or not (`causal`).
"""

from typing import ClassVar

import numpy as np

from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.objective.objective import Frame, Objective, Rng, aligned, ends


class CausalLM(Objective, kind="causal"):
    """Predict each token of a document but the first, exactly once. BOS and EOS stand around each document."""

    covers: ClassVar = True

    def frame(self, vocabulary: Vocabulary) -> Frame:
        return ends(vocabulary)

    def piece(self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: Rng) -> Example:
        return Example(dec=ids, targets={"token": aligned(ids, following)})


class PrefixLM(Objective, kind="prefix"):
    """Predict each token after a cut. All cuts are equally likely; the tokens before the cut are no targets."""

    def frame(self, vocabulary: Vocabulary) -> Frame:
        return ends(vocabulary)

    def piece(self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: Rng) -> Example:
        cut = int(rng.integers(1, max(2, len(ids))))
        targets = aligned(ids, following)
        targets[: cut - 1] = IGNORE
        return Example(dec=ids, targets={"token": targets}, prefix=cut)
