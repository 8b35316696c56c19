"""Span corruption: what was cut out of a text is written down span by span (T5, Raffel et al. 2019, arXiv:1910.10683).

text      Thank you for inviting me to your party last week
source    Thank you <extra_id_0> me to your party <extra_id_1> week
target    <extra_id_0> for inviting <extra_id_1> last
"""

from typing import Literal

import numpy as np
from pydantic import Field

from trivium.base.errors import ConfigError
from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.objective.objective import Objective, joined, shifted


class SpanCorruption(Objective, kind="denoise"):
    """Cut spans of `span` tokens on average, `density` of all, and write them after their sentinels.

    `decoder` makes one text of source and target, for models without an encoder. A piece of one token has nothing to
    cut and carries no target.
    """

    density: float = Field(0.15, gt=0, lt=1)
    span: float = Field(3.0, ge=1)
    decoder: bool = False
    start: Literal["pad", "eos"] = "pad"
    """What the decoder begins with: pad in T5, eos in BART."""

    @property
    def families(self) -> tuple[str, ...]:
        return ("decoder",) if self.decoder else ("encoder_decoder",)

    def cuts(self, raw: int) -> tuple[int, int]:
        """How many tokens are cut out of `raw`, in how many spans."""
        noise = min(max(round(raw * self.density), 1), raw - 1)
        return noise, min(max(round(noise / self.span), 1), noise, raw - noise)

    def sizes(self, raw: int) -> tuple[int, int]:
        """The lengths of source and target, each with its sentinels and EOS."""
        noise, spans = self.cuts(raw)
        return raw - noise + spans + 1, noise + spans + 1

    def room(self, length: int) -> int:
        """The most raw tokens whose source fills a row; 568 for 512 as in T5, whose target then has 114."""
        raw = 2
        while (sum(self.sizes(raw + 1)) if self.decoder else self.sizes(raw + 1)[0]) <= length:
            raw += 1
        return raw

    def frame(self, vocabulary: Vocabulary) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if not vocabulary.sentinels:
            raise ConfigError("objective: denoise needs a tokenizer with <extra_id_0>, ...; this one has none")
        return (), ()

    def piece(
        self, ids: np.ndarray, following: int | None, vocabulary: Vocabulary, rng: np.random.Generator
    ) -> Example:
        end = [] if vocabulary.eos is None else [vocabulary.eos]
        first = vocabulary.pad if self.start == "pad" or vocabulary.eos is None else vocabulary.eos
        if len(ids) < 2:
            nothing = {"token": np.full(1, IGNORE, dtype=np.int64)}
            return (
                Example(dec=ids, targets=nothing)
                if self.decoder
                else Example(enc=np.append(ids, end).astype(np.int64), dec=np.array([first]), targets=nothing)
            )
        noise, spans = self.cuts(len(ids))
        spans = min(spans, len(vocabulary.sentinels))
        # Kept and cut runs alternate. Part of the first kept one stands at the end, so that a text short enough for
        # a single span is not always cut there.
        kept, cut = _partition(len(ids) - noise, spans, rng), _partition(noise, spans, rng)
        kept[0] = rng.integers(kept[0] + 1)
        parts = np.split(np.asarray(ids, dtype=np.int64), np.cumsum(np.stack([kept, cut], axis=1)))
        marks = [np.array([mark]) for mark in vocabulary.sentinels[:spans]]
        source = [part for run, mark in zip(parts[:-1:2], marks, strict=True) for part in (run, mark)]
        target = [part for mark, run in zip(marks, parts[1::2], strict=True) for part in (mark, run)]
        read, written = (np.concatenate([*side, end]).astype(np.int64) for side in ([*source, parts[-1]], target))
        return joined(read, written) if self.decoder else shifted(read, written, first)


def _partition(total: int, parts: int, rng: np.random.Generator) -> np.ndarray:
    """Lengths of `parts` runs, none empty, that have `total` together; every way is equally likely."""
    cuts = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(cuts, prepend=0, append=total)
