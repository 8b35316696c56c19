"""Sampling: pure functions from logits to the next id, with the field's names.

Order: bias, presence and frequency penalties; then, in beam search too (of log-probabilities), repetition penalty,
repeated n-grams, least length, forced id; then temperature, top-k, top-p, min-p, one draw per row. Knows no model.
Nucleus sampling: Holtzman et al. 2019 (arXiv:1904.09751). Min-p: Nguyen et al. 2024 (arXiv:2407.01082). Repetition
penalty: Keskar et al. 2019 (arXiv:1909.05858).
"""

from collections import Counter
from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from trivium.base.config import Config
from trivium.base.errors import ConfigError, NumericsError
from trivium.base.seeds import LARGEST, mix


class Decoding(Config):
    """How ids are chosen; a subclass is one way."""

    first: int | None = Field(None, ge=0)
    """An id that every text begins with (the language code of mBART)."""
    last: int | None = Field(None, ge=0)
    """An id that ends a text which reaches the maximum length."""
    repetition_penalty: float = Field(1.0, gt=0, le=1e9)
    """Above 1, tokens of the prompt and of the text become less likely."""
    no_repeat_ngram: int = Field(0, ge=0)
    """No run of this many ids occurs twice, the prompt included; 0 is no limit."""
    min_new_tokens: int = Field(0, ge=0)
    """No stop id comes before this many new ids."""

    def bound(
        self, scores: Float[Tensor, "B V"], texts: Sequence[Sequence[int]], made: int, most: int, stops: Collection[int]
    ) -> Float[Tensor, "B V"]:
        """Return logits or log-probabilities after the rules that hold for every way to choose.

        `texts` are the ids of each row so far, the prompt included; `made` of at most `most` are new. Scores that are
        not finite are a NumericsError.
        """
        if not scores.amax(dim=-1).isfinite().all():
            raise NumericsError(
                "the scores of the next token are not finite: the weights are not, or their products are too large"
            )
        scores = penalise(scores, texts, self.repetition_penalty)
        scores = unrepeated(scores, texts, self.no_repeat_ngram)
        if made < self.min_new_tokens:
            early = torch.tensor([one for one in stops if one < scores.shape[1]], dtype=torch.long)
            scores = scores.index_fill(1, early.to(scores.device), -torch.inf)
        return force(scores, self.first if made == 0 else self.last if made + 1 == most else None)


class Sampling(Decoding):
    """Sample one id at a time; the default is greedy."""

    temperature: float = Field(0.0, ge=0, le=100)
    """The divisor of the logits; 0 takes the most likely token."""
    top_k: int | None = Field(None, gt=0)
    """Keep the k most likely tokens."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Keep the fewest tokens with a total probability of at least p."""
    min_p: float = Field(0.0, ge=0, le=1)
    """Keep tokens at least min_p times as likely as the most likely one."""
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    """Subtracted from the logit of each id that the text has, the prompt not included."""
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    """Subtracted from the logit of each id as often as the text has it, the prompt not included."""
    logit_bias: tuple[tuple[int, float], ...] = ()
    """Pairs of an id and what is added to its logit."""
    seed: int | None = Field(None, ge=0, le=LARGEST)
    """The same seed gives the same text; row r of a batch draws from (seed, r)."""

    def bound(
        self, scores: Float[Tensor, "B V"], texts: Sequence[Sequence[int]], made: int, most: int, stops: Collection[int]
    ) -> Float[Tensor, "B V"]:
        if self.presence_penalty or self.frequency_penalty or self.logit_bias:
            scores = scores.clone()
            for index, bias in self.logit_bias:
                if not 0 <= index < scores.shape[1]:
                    raise ConfigError(f"logit_bias: expected ids from 0 to {scores.shape[1] - 1}, found {index}")
                scores[:, index] += bias
            for row, text in zip(scores, texts, strict=True):
                for index, count in Counter(text[len(text) - made :]).items():
                    row[index] -= self.presence_penalty + count * self.frequency_penalty
        return super().bound(scores, texts, made, most, stops)

    def generators(self, rows: int) -> list[torch.Generator]:
        """Return one random generator for each row."""
        made = [torch.Generator() for _ in range(rows)]
        for row, generator in enumerate(made):
            if self.seed is None:
                generator.seed()
            else:
                generator.manual_seed(mix(self.seed, row))
        return made


def penalise(scores: Float[Tensor, "B V"], texts: Sequence[Sequence[int]], penalty: float) -> Float[Tensor, "B V"]:
    """Divide the positive scores of the ids of each row's text by the penalty and multiply the negative ones."""
    if penalty == 1:
        return scores
    seen = torch.zeros_like(scores, dtype=torch.bool)
    for row, text in enumerate(texts):
        seen[row, [index for index in {*text} if index < scores.shape[1]]] = True
    return torch.where(seen, torch.where(scores > 0, scores / penalty, scores * penalty), scores)


def unrepeated(scores: Float[Tensor, "B V"], texts: Sequence[Sequence[int]], size: int) -> Float[Tensor, "B V"]:
    """Forbid ids that would repeat a run of `size` ids of a row's text; 0 forbids none."""
    if not size:
        return scores
    scores = scores.clone()
    for row, text in enumerate(texts):
        ids = [*text]
        head = ids[len(ids) - size + 1 :]
        starts = range(len(ids) - size + 1)
        again = {ids[i + size - 1] for i in starts if ids[i : i + size - 1] == head}
        scores[row, [index for index in again if index < scores.shape[1]]] = -torch.inf
    return scores


def force(logits: Float[Tensor, "B V"], index: int | None) -> Float[Tensor, "B V"]:
    """Give one id all probability; None changes nothing."""
    if index is None:
        return logits
    if not 0 <= index < logits.shape[1]:
        raise ConfigError(f"the id {index} cannot be forced; expected ids from 0 to {logits.shape[1] - 1}")
    return torch.full_like(logits, -torch.inf).index_fill(1, torch.tensor([index], device=logits.device), 0.0)


def narrow(logits: Float[Tensor, "B V"], sampling: Sampling) -> Float[Tensor, "B V"]:
    """Divide by the temperature and set tokens outside top-k, top-p and min-p to -inf; at least one token stays."""
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / sampling.temperature  # finite at any temperature
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True)
        p = ordered.softmax(dim=-1)
        before = p.cumsum(dim=-1) - p  # the sum of all more likely tokens: 0 for the first
        kept = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before < sampling.top_p)
        logits = logits.masked_fill(~kept, -torch.inf)
    if sampling.min_p > 0:
        p = logits.softmax(dim=-1)
        logits = logits.masked_fill(p < sampling.min_p * p.amax(dim=-1, keepdim=True), -torch.inf)
    return logits


def pick(logits: Float[Tensor, "B V"], sampling: Sampling, generators: Sequence[torch.Generator]) -> Int[Tensor, " B"]:
    """Choose one id for each row; a greedy choice uses no random numbers."""
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    cumulative = narrow(logits.float(), sampling).softmax(dim=-1).double().cumsum(dim=-1)
    draws = [torch.rand(1, generator=generator, dtype=torch.float64) for generator in generators]
    total = cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, torch.stack(draws).to(total.device) * total, right=True)
    # A draw that rounds up to the total would fall off the end: the last token that has any probability.
    return torch.minimum(drawn, (cumulative < total).sum(dim=-1, keepdim=True))[:, 0]
