"""Masked language modelling: guess the tokens that were hidden (Devlin et al. 2018, arXiv:1810.04805).

Masks are drawn anew in every epoch (RoBERTa, arXiv:1907.11692), and there is no next-sentence task.
"""

from functools import lru_cache

import numpy as np
from pydantic import Field

from trivium.base.errors import ConfigError
from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.objective.objective import Objective, ends


class MaskedLM(Objective, kind="masked"):
    """Choose `rate` of the content tokens as targets; hide most of them, replace some, leave some as they are.

    `words` chooses whole words, all their pieces together. Control tokens are never chosen and never put in.
    """

    rate: float = Field(0.15, gt=0, lt=1)
    hide: float = Field(0.8, ge=0, le=1)
    """The share of the chosen that becomes the mask token."""
    replace_share: float = Field(0.1, ge=0, le=1)
    """The share of the chosen that becomes a random token."""
    words: bool = False

    @property
    def families(self) -> tuple[str, ...]:
        return ("encoder",)

    def frame(self, vocabulary: Vocabulary) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if vocabulary.mask is None:
            raise ConfigError("objective: masked needs a tokenizer with a mask token, and this one has none")
        if self.words and vocabulary.word_start is None:
            raise ConfigError("objective.words: this vocabulary does not say where words begin")
        return ends(vocabulary)

    def piece(
        self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: np.random.Generator
    ) -> Example:
        assert vocabulary.mask is not None, "frame() refuses such a vocabulary"
        content, special = _tables(vocabulary)
        places = np.flatnonzero(~special[ids])
        group = np.arange(len(places))
        if self.words and vocabulary.word_start is not None:
            # A control token ends a word too: what comes after a gap begins one.
            group = np.cumsum(vocabulary.word_start[ids[places]] | (np.diff(places, prepend=-1) > 1))
        chosen = places[_draw(group, self.rate * len(places), rng)]
        targets = np.full(len(ids), IGNORE, dtype=np.int64)
        targets[chosen] = ids[chosen]
        fate = rng.random(len(chosen))
        replaced = (fate >= self.hide) & (fate < self.hide + self.replace_share)
        seen = np.array(ids, dtype=np.int64)
        seen[chosen[fate < self.hide]] = vocabulary.mask
        seen[chosen[replaced]] = content[rng.integers(len(content), size=int(replaced.sum()))]
        return Example(enc=seen, targets={"token": targets})


@lru_cache(maxsize=4)
def _tables(vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """The ids of content, and for each id whether it is control."""
    special = np.zeros(vocabulary.size, dtype=bool)
    special[[*vocabulary.special]] = True
    return np.flatnonzero(~special), special


def _draw(group: np.ndarray, count: float, rng: np.random.Generator) -> np.ndarray:
    """Choose whole groups in random order until they have `count` members; true for each chosen member.

    The group that goes over is taken with the chance that makes the expected number exactly `count`, however short
    the text and long the groups.
    """
    if not len(group):
        return np.zeros(0, dtype=bool)
    _, group, sizes = np.unique(group, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    taken = np.empty(len(sizes), dtype=bool)
    taken[order] = np.cumsum(sizes[order]) - sizes[order] * rng.random() < count
    return taken[group]
