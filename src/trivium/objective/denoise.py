"""Span corruption: write the spans that were cut out of a text (T5, Raffel et al. 2019, arXiv:1910.10683).

text      Thank you for inviting me to your party last week
source    Thank you <extra_id_0> me to your party <extra_id_1> week
target    <extra_id_0> for inviting <extra_id_1> last
"""

from typing import Literal

import numpy as np
from pydantic import Field

from trivium.base.errors import ConfigError
from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.objective.objective import Frame, Objective, Rng, joined, shifted, start_id


class SpanCorruption(Objective, kind="denoise"):
    """Cut out spans of `span` tokens on average, `density` of all tokens, and write them after their sentinels.

    `decoder` joins source and target into one text, for models without an encoder. A piece of one token has no target.
    """

    density: float = Field(0.15, gt=0, lt=1)
    """The share of tokens that is removed."""
    span: float = Field(3.0, ge=1)
    """The mean length of a removed span."""
    decoder: bool = False
    start: Literal["pad", "eos"] = "pad"
    """The first token of the decoder: pad in T5, eos in BART."""

    @property
    def families(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("decoder",) if self.decoder else ("encoder_decoder",)

    def cuts(self, raw: int) -> tuple[int, int]:
        """Return how many of `raw` tokens are cut out, and in how many spans."""
        noise = min(max(round(raw * self.density), 1), raw - 1)
        return noise, min(max(round(noise / self.span), 1), noise, raw - noise)

    def sizes(self, raw: int) -> tuple[int, int]:
        """Return the lengths of source and target, with sentinels and EOS."""
        noise, spans = self.cuts(raw)
        return raw - noise + spans + 1, noise + spans + 1

    def room(self, length: int) -> int:
        """Return the most raw tokens whose source fits a row; 568 for 512 as in T5, with a target of 114."""
        raw = 2
        while (sum(self.sizes(raw + 1)) if self.decoder else self.sizes(raw + 1)[0]) <= length:
            raw += 1
        return raw

    def frame(self, vocabulary: Vocabulary) -> Frame:
        if not vocabulary.sentinels:
            raise ConfigError("objective: denoise needs a tokenizer with <extra_id_0>, ...; this one has none")
        return (), ()

    def piece(self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: Rng) -> Example:
        end = [] if vocabulary.eos is None else [vocabulary.eos]
        first = start_id(self.start, vocabulary)
        if len(ids) < 2:
            nothing = {"token": np.full(1, IGNORE, dtype=np.int64)}
            return (
                Example(dec=ids, targets=nothing)
                if self.decoder
                else Example(enc=np.append(ids, end).astype(np.int64), dec=np.array([first]), targets=nothing)
            )
        noise, spans = self.cuts(len(ids))
        spans = min(spans, len(vocabulary.sentinels))
        # Kept and cut runs alternate. A part of the first kept run moves to the end, so that the cut of a short text
        # with a single span is not always at its end.
        kept, cut = _partition(len(ids) - noise, spans, rng), _partition(noise, spans, rng)
        kept[0] = rng.integers(kept[0] + 1)
        parts = np.split(np.asarray(ids, dtype=np.int64), np.cumsum(np.stack([kept, cut], axis=1)))
        marks = [np.array([mark]) for mark in vocabulary.sentinels[:spans]]
        source = [part for run, mark in zip(parts[:-1:2], marks, strict=True) for part in (run, mark)]
        target = [part for mark, run in zip(marks, parts[1::2], strict=True) for part in (mark, run)]
        read, written = (np.concatenate([*side, end]).astype(np.int64) for side in ([*source, parts[-1]], target))
        return joined(read, written) if self.decoder else shifted(read, written, first)


def _partition(total: int, parts: int, rng: Rng) -> np.ndarray:
    """Return random lengths of `parts` runs, none empty, of `total` together; all ways are equally likely."""
    cuts = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(cuts, prepend=0, append=total)
