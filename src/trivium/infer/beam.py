"""Beam search: the most likely of many continuations, found by keeping the best few at every step.

Scores are sums of log probabilities divided by length ** length_penalty, stop id included; where to stop is decided as
in transformers.generate, so results are the same. Knows ids only.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from trivium.base.batch import Stream
from trivium.base.config import Config
from trivium.base.errors import ConfigError, ModelError
from trivium.infer.generate import check, left_padded
from trivium.infer.sampling import force
from trivium.model.transformer import Transformer


class Beam(Config):
    """How wide to search, and what may be chosen."""

    beams: int = Field(4, gt=0)
    length_penalty: float = 1.0
    """Above 0 favours long texts, below 0 short ones."""
    early_stopping: bool = False
    """Whether the first `beams` finished texts end the search, even if another could still beat them."""
    no_repeat_ngram: int = Field(0, ge=0)
    """No run of so many ids appears twice, the prompt's included; 0 is no limit."""
    first: int | None = None
    """An id that every text begins with (the language code of mBART)."""
    last: int | None = None
    """An id that a text which becomes too long ends with."""


class Hypothesis(NamedTuple):
    """A text that was found, without the stop id, its score, and why it ended: `stop` or `length`."""

    ids: list[int]
    score: float
    reason: str


class _Row:
    """The search of one prompt: the beams that go on, and the best texts that are finished."""

    def __init__(self, at: int, prompt: Sequence[int], config: Beam) -> None:
        self.at, self.prompt, self.config = at, list(prompt), config
        self.beams: list[list[int]] = [[]]
        self.finished: list[Hypothesis] = []
        self.done = False

    def advance(self, candidates: Sequence[tuple[float, int, int]], stops: Collection[int], end: bool) -> list[int]:
        """Take the best (score, beam, id), best first; give their beams' numbers and keep those that go on."""
        config, length = self.config, len(self.beams[0]) + 1
        new: list[Hypothesis] = []
        going: list[tuple[float, int, int]] = []
        for rank, (score, beam, index) in enumerate(candidates):
            if index in stops or end:
                if rank < config.beams and score > -torch.inf:
                    ids = self.beams[beam] if index in stops else [*self.beams[beam], index]
                    reason = "stop" if index in stops else "length"
                    new.append(Hypothesis(ids, score / length**config.length_penalty, reason))
            elif len(going) < config.beams:
                going.append((score, beam, index))
        self.finished = sorted([*self.finished, *new], key=lambda found: -found.score)[: config.beams]
        full = len(self.finished) == config.beams
        best = going[0][0] / length**config.length_penalty if going else -torch.inf
        self.done = not going or (full and (config.early_stopping or best <= self.finished[-1].score))
        going += [(-torch.inf, *candidates[0][1:])] * (config.beams - len(going))
        self.scores = [score for score, _, _ in going]
        self.beams = [[*self.beams[beam], index] for _, beam, index in going]
        return [beam for _, beam, _ in going]


def search(
    transformer: Transformer,
    prompts: Sequence[Sequence[int]],
    config: Beam = Beam(),
    max_new_tokens: int = 64,
    stops: Collection[int] = (),
    vocabulary: int | None = None,
    sources: Sequence[Sequence[int]] | None = None,
) -> list[list[Hypothesis]]:
    """The best texts after each prompt, best first; arguments as in `generate`."""
    model, stops = transformer.config, frozenset(stops)
    if model.decoder is None:
        raise ModelError(f"generation needs a decoder; this is an {model.family} model")
    if max_new_tokens < 1:
        raise ConfigError(f"max_new_tokens: expected at least 1, found {max_new_tokens}")
    check(prompts, model.vocab_size, model.limit)
    training = transformer.training
    transformer.eval()
    try:
        with torch.inference_mode():
            return _search(transformer, prompts, config, max_new_tokens, stops, vocabulary, sources)
    finally:
        transformer.train(training)


def _search(
    transformer: Transformer,
    prompts: Sequence[Sequence[int]],
    config: Beam,
    max_new_tokens: int,
    stops: frozenset[int],
    vocabulary: int | None,
    sources: Sequence[Sequence[int]] | None,
) -> list[list[Hypothesis]]:
    device, limit = transformer.tokens.weight.device, transformer.config.limit
    longest = max(map(len, prompts), default=0)
    steps = max_new_tokens if limit is None else min(max_new_tokens, limit - longest + 1)
    source = memory = None
    if transformer.config.encoder is not None:
        assert sources is not None and len(sources) == len(prompts), "an encoder needs a source for each prompt"
        check(sources, transformer.config.vocab_size, limit)
        source = left_padded(sources, device)
        memory = transformer.encode(source)
    stream, cache = left_padded(prompts, device), transformer.decoder.cache(longest + steps)
    rows = [_Row(at, prompt, config) for at, prompt in enumerate(prompts)]
    alive, totals = rows, torch.zeros(len(rows), 1, device=device)
    for step in range(1, steps + 1):
        hidden = transformer.decode(stream, memory, source, cache)
        scores = transformer.logits(hidden[:, -1])[:, :vocabulary].log_softmax(dim=-1)  # R*N V
        scores = _unrepeated(scores, alive, config.no_repeat_ngram)
        scores = force(scores, config.first if step == 1 else config.last if step == max_new_tokens else None)
        width, size = totals.shape[1], scores.shape[1]
        sums = (scores.view(len(alive), width, size) + totals[:, :, None]).flatten(1)  # R N*V
        values, index = sums.topk(min(max(2, 1 + len(stops)) * config.beams, sums.shape[1]))
        parents: list[int] = []
        for place, (row, value, flat) in enumerate(zip(alive, values.tolist(), index.tolist(), strict=True)):
            candidates = [(v, i // size, i % size) for v, i in zip(value, flat, strict=True)]
            beams = row.advance(candidates, stops, end=step == steps)
            parents += [] if row.done else [place * width + beam for beam in beams]
        if not parents:
            break
        alive = [row for row in alive if not row.done]
        chosen = torch.tensor(parents, device=device)
        cache.select(chosen)
        if source is not None and memory is not None:
            source, memory = _select(source, chosen), memory[chosen]
        last = [[beam[-1]] for row in alive for beam in row.beams]
        positions = stream.positions[chosen, -1:] + 1
        stream = Stream(torch.tensor(last, device=device), positions, torch.ones_like(positions), plain=stream.plain)
        totals = torch.tensor([row.scores for row in alive], device=device)
    return [row.finished for row in rows]


def _unrepeated(scores: Tensor, rows: Sequence[_Row], size: int) -> Tensor:
    """Forbid ids that would write a run of `size` ids for the second time."""
    if size:
        texts = [[*row.prompt, *beam] for row in rows for beam in row.beams]
        for at, ids in enumerate(texts):
            head = ids[len(ids) - size + 1 :]
            starts = range(len(ids) - size + 1)
            scores[at, [ids[i + size - 1] for i in starts if ids[i : i + size - 1] == head]] = -torch.inf
    return scores


def _select(stream: Stream, rows: Tensor) -> Stream:
    return Stream(stream.ids[rows], stream.positions[rows], stream.documents[rows], stream.plain)
