"""Denoising of whole texts: spans become one mask each, sentences change places, and all of it is written anew.

BART: Lewis et al. 2019 (arXiv:1910.13461). With a language code at the front it is mBART: Liu et al. 2020
(arXiv:2001.08210), in the form of Tang et al. 2020 (arXiv:2008.00401), where the first target is the code.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from trivium.base.errors import ConfigError
from trivium.base.types import Example, Vocabulary
from trivium.objective.objective import Objective, ends, shifted


class TextInfilling(Objective, kind="infill"):
    """Damage a text in the ways that are asked for, and write the whole of it."""

    rate: float = Field(0.3, ge=0, lt=1)
    """The share of tokens in masked spans."""
    span: float = Field(3.5, ge=0.5)
    """The mean length of a span (Poisson); a span of none is a mask that stands for nothing."""
    permute: bool = True
    """Whether sentences change places."""
    delete: float = Field(0.0, ge=0, lt=1)
    """The share of tokens that disappear without a mask."""
    rotate: float = Field(0.0, ge=0, le=1)
    """The share of texts that begin somewhere in the middle."""
    language: int | None = None
    """The id of the code of the language that the corpus is in."""
    start: Literal["pad", "eos"] = "eos"
    """What the decoder begins with: pad in T5, eos in BART."""

    @property
    def families(self) -> tuple[str, ...]:
        return ("encoder_decoder",)

    def frame(self, vocabulary: Vocabulary) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if vocabulary.mask is None:
            raise ConfigError("objective: infill needs a tokenizer with a mask token, and this one has none")
        if self.permute and vocabulary.sentence_end is None:
            raise ConfigError("objective.permute: this vocabulary does not say where sentences end")
        if self.language is not None and self.language >= vocabulary.size:
            raise ConfigError(f"objective.language: expected an id below {vocabulary.size}, found {self.language}")
        before, after = ends(vocabulary)
        return before if self.language is None else (self.language,), after

    def piece(
        self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: np.random.Generator
    ) -> Example:
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
        begin = vocabulary.pad if self.start == "pad" or vocabulary.eos is None else vocabulary.eos
        return shifted(source if len(source) else ids, ids, begin)


def _permuted(ids: np.ndarray, ends_sentence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put the sentences in random order."""
    cuts = np.flatnonzero(ends_sentence[ids[:-1]]) + 1
    sentences = np.split(ids, cuts)
    return np.concatenate([sentences[at] for at in rng.permutation(len(sentences))])


def _filled(ids: np.ndarray, rate: float, mean: float, mask: int, rng: np.random.Generator) -> np.ndarray:
    """Replace spans, `rate` of all tokens together, by one mask each."""
    count = int(rate * len(ids) + rng.random())  # rounded up or down so that the mean is exact
    lengths: list[int] = []
    while count > 0:
        lengths.append(min(int(rng.poisson(mean)), count))
        count -= lengths[-1]
    spans = np.array(lengths, dtype=np.int64)
    # A text never grows: there are at most as many masks as tokens that they replace.
    empty = np.flatnonzero(spans == 0)
    spans = np.delete(spans, empty[max(0, spans.sum() - (spans > 0).sum()) :])
    # Each span begins after some number of kept tokens; equally likely, whatever the lengths.
    gaps = np.sort(rng.integers(0, len(ids) - spans.sum() + 1, size=len(spans)))
    begins = gaps + np.cumsum(spans) - spans
    gone = np.zeros(len(ids), dtype=bool)
    for begin, length in zip(begins, spans, strict=True):
        gone[begin : begin + length] = True
    return np.insert(ids[~gone], gaps, mask)
