"""Masked language modelling: predict hidden tokens (Devlin et al. 2018, arXiv:1810.04805).

Masks are drawn anew in every epoch (RoBERTa, arXiv:1907.11692). There is no next-sentence task.
"""

from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from trivium.base.errors import ConfigError
from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.objective.objective import Frame, Objective, Rng, ends


class MaskedLM(Objective, kind="masked"):
    """Choose `rate` of the content tokens as targets; hide most of them, replace some, and keep the rest.

    `words` chooses whole words, all their tokens together. Special tokens are never chosen and never inserted.
    """

    families: ClassVar = ("encoder",)
    rate: float = Field(0.15, gt=0, lt=1)
    """The share of tokens that is predicted."""
    hide: float = Field(0.8, ge=0, le=1)
    """The share of the chosen tokens that become the mask token."""
    replace_share: float = Field(0.1, ge=0, le=1)
    """The share of the chosen tokens that become a random token."""
    words: bool = False
    """Whether whole words are masked."""

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if self.hide + self.replace_share > 1 + 1e-9:
            raise ValueError(
                f"hide and replace_share: expected at most 1 together, found {self.hide} and {self.replace_share}"
            )
        return self

    def frame(self, vocabulary: Vocabulary) -> Frame:
        if vocabulary.mask is None:
            raise ConfigError("objective: masked needs a tokenizer with a mask token; this one has none")
        if self.words and vocabulary.word_start is None:
            raise ConfigError("objective.words: this vocabulary does not tell where words begin")
        return ends(vocabulary)

    def piece(self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: Rng) -> Example:
        assert vocabulary.mask is not None, "frame() refuses such a vocabulary"
        content, special = _tables(vocabulary)
        places = np.flatnonzero(~special[ids])
        group = np.arange(len(places))
        if self.words and vocabulary.word_start is not None:
            # A special token ends a word too: a token after a gap begins one.
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
    """Return the ids of content, and for each id whether it is a special token, [V]."""
    special = np.zeros(vocabulary.size, dtype=bool)
    special[[*vocabulary.special]] = True
    return np.flatnonzero(~special), special


def _draw(group: np.ndarray, count: float, rng: Rng) -> np.ndarray:
    """Choose whole groups in random order until they have `count` members; return true for each chosen member.

    The last group is taken with the probability that makes the expected number exactly `count`.
    """
    if not len(group):
        return np.zeros(0, dtype=bool)
    _, group, sizes = np.unique(group, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    taken = np.empty(len(sizes), dtype=bool)
    taken[order] = np.cumsum(sizes[order]) - sizes[order] * rng.random() < count
    return taken[group]
