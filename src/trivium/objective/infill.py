"""Text infilling (BART, Lewis et al. 2019, arXiv:1910.13461): mask spans, permute sentences, write the whole text.

With a language code as its first token it is mBART (Liu et al. 2020, arXiv:2001.08210), in the form of Tang et al. 2020
(arXiv:2008.00401), where the first target is the code.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from trivium.base.errors import ConfigError
from trivium.base.types import Example, Vocabulary
from trivium.objective.objective import Frame, Objective, Rng, ends, shifted, start_id


class TextInfilling(Objective, kind="infill"):
    """Corrupt a text, and write the whole original."""

    families: ClassVar = ("encoder_decoder",)
    rate: float = Field(0.3, ge=0, lt=1)
    """The share of tokens in masked spans."""
    span: float = Field(3.5, ge=0.5)
    """The mean length of a span (Poisson); a span of length 0 inserts a mask."""
    permute: bool = True
    """Whether the sentences are permuted."""
    delete: float = Field(0.0, ge=0, lt=1)
    """The share of tokens that are deleted without a mask."""
    rotate: float = Field(0.0, ge=0, le=1)
    """The share of texts that are rotated to begin at a random token."""
    language: int | None = Field(None, ge=0)
    """The id of the code of the language of the corpus."""
    start: Literal["pad", "eos"] = "eos"
    """The first token of the decoder: pad in T5, eos in BART."""

    def frame(self, vocabulary: Vocabulary) -> Frame:
        if vocabulary.mask is None:
            raise ConfigError("objective: infill needs a tokenizer with a mask token; this one has none")
        if self.permute and vocabulary.sentence_end is None:
            raise ConfigError("objective.permute: this vocabulary does not tell where sentences end")
        if self.language is not None and self.language >= vocabulary.size:
            raise ConfigError(f"objective.language: expected an id below {vocabulary.size}, found {self.language}")
        before, after = ends(vocabulary)
        return before if self.language is None else (self.language,), after

    def piece(self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: Rng) -> Example:
        ids = np.asarray(ids, dtype=np.int64)
        before, after = self.frame(vocabulary)
        first = len(before) if len(ids) and tuple(ids[: len(before)]) == before else 0
        last = len(ids) - (len(after) if len(ids) > first and tuple(ids[-len(after) :]) == after else 0)
        body = ids[first:last]
        if self.permute and vocabulary.sentence_end is not None and len(body):
            body = _permuted(body, vocabulary.sentence_end, rng)
        if self.delete:
            body = body[rng.random(len(body)) >= self.delete]
        if self.rate and len(body):
            assert vocabulary.mask is not None
            body = _filled(body, self.rate, self.span, vocabulary.mask, rng)
        if self.rotate and len(body) and rng.random() < self.rotate:
            body = np.roll(body, -int(rng.integers(len(body))))
        source = np.concatenate([ids[:first], body, ids[last:]])
        return shifted(source if len(source) else ids, ids, start_id(self.start, vocabulary))


def _permuted(ids: np.ndarray, ends_sentence: np.ndarray, rng: Rng) -> np.ndarray:
    """Put the sentences in random order."""
    cuts = np.flatnonzero(ends_sentence[ids[:-1]]) + 1
    sentences = np.split(ids, cuts)
    return np.concatenate([sentences[at] for at in rng.permutation(len(sentences))])


def _filled(ids: np.ndarray, rate: float, mean: float, mask: int, rng: Rng) -> np.ndarray:
    """Replace spans by one mask each; together they have `rate` of all tokens."""
    count = int(rate * len(ids) + rng.random())  # rounded up or down so that the mean is exact
    lengths: list[int] = []
    while count > 0:
        lengths.append(min(int(rng.poisson(mean)), count))
        count -= lengths[-1]
    spans = np.array(lengths, dtype=np.int64)
    # A text never grows: there are at most as many masks as replaced tokens.
    empty = np.flatnonzero(spans == 0)
    spans = np.delete(spans, empty[max(0, spans.sum() - (spans > 0).sum()) :])
    # Each span begins after a number of kept tokens; all numbers are equally likely, whatever the lengths.
    gaps = np.sort(rng.integers(0, len(ids) - spans.sum() + 1, size=len(spans)))
    begins = gaps + np.cumsum(spans) - spans
    gone = np.zeros(len(ids), dtype=bool)
    for begin, length in zip(begins, spans, strict=True):
        gone[begin : begin + length] = True
    return np.insert(ids[~gone], gaps, mask)
