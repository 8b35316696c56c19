"""Beam search: find the most likely text by keeping the best few beginnings at every step. Knows ids only.

The score of a text is the sum of its log-probabilities divided by length ** length_penalty, stop id included. The
search stops where transformers.generate does, so results are the same.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from pydantic import Field

from trivium.base.batch import Stream
from trivium.base.config import parse
from trivium.base.errors import ConfigError
from trivium.infer.padding import left_padded, sources_padded
from trivium.infer.request import Completion, Request, writable
from trivium.infer.sampling import Decoding, Sampling
from trivium.model.device import evaluating
from trivium.model.transformer import Transformer


class Beam(Decoding):
    """Beam search: how many beams, and which texts win."""

    beams: int = Field(4, gt=0, le=1000)
    """The number of texts that are kept at every step."""
    length_penalty: float = Field(1.0, ge=-100, le=100)
    """Above 0 prefers long texts, below 0 short ones."""
    early_stopping: bool = False
    """Whether the first `beams` finished texts end the search, even if another could still score higher."""


class _Row:
    """The search of one prompt: its live beams and its best finished texts."""

    def __init__(self, prompt: Sequence[int], config: Beam) -> None:
        self.prompt, self.config = list(prompt), config
        self.beams: list[list[int]] = [[]]
        self.finished: list[Completion] = []
        self.done = False

    def advance(self, candidates: Sequence[tuple[float, int, int]], stops: Collection[int], end: bool) -> list[int]:
        """Take the best (score, beam, id), best first; keep the live ones and return their beams' numbers."""
        config, length = self.config, len(self.beams[0]) + 1
        new: list[Completion] = []
        going: list[tuple[float, int, int]] = []
        for rank, (score, beam, index) in enumerate(candidates):
            if index in stops or end:
                if rank < config.beams and score > -torch.inf:
                    ids = self.beams[beam] if index in stops else [*self.beams[beam], index]
                    reason = "stop" if index in stops else "length"
                    new.append(Completion(ids, reason, score / length**config.length_penalty))
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


def search(transformer: Transformer, request: Request) -> list[list[Completion]]:
    """Return the best texts after each prompt, best first. Raise an error where the model cannot run the request."""
    request.check(transformer.config)
    assert isinstance(request.decoding, Beam)
    if request.stop_strings:
        raise ConfigError("stop: beam search has stop ids only; leave stop out, or use num_beams=1")
    with evaluating(transformer), torch.inference_mode():
        return _search(transformer, request, request.decoding)


def _search(transformer: Transformer, request: Request, config: Beam) -> list[list[Completion]]:
    prompts, stops = request.prompts, frozenset(request.stop_ids)
    device, limit = transformer.tokens.weight.device, transformer.config.limit
    longest = max(map(len, prompts), default=0)
    steps = request.max_new_tokens if limit is None else min(request.max_new_tokens, limit - longest + 1)
    memory = transformer.encode(sources_padded(request.sources, device)) if request.sources is not None else None
    stream, cache = left_padded(prompts, device), transformer.decoder.cache(longest + steps, len(prompts), memory)
    rows = [_Row(prompt, config) for prompt in prompts]
    alive, totals = rows, torch.zeros(len(rows), 1, device=device)
    for step in range(1, steps + 1):
        hidden = transformer.decode(stream, memory if step == 1 else None, cache)
        scores = writable(transformer.logits(hidden[:, -1]), transformer.config)[:, : request.vocabulary]
        scores = scores.log_softmax(dim=-1)  # R*N V
        texts = [[*row.prompt, *beam] for row in alive for beam in row.beams]
        scores = config.bound(scores, texts, step - 1, request.max_new_tokens, stops)
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
        last = [[beam[-1]] for row in alive for beam in row.beams]
        positions = stream.positions[chosen, -1:] + 1
        stream = Stream(torch.tensor(last, device=device), positions, torch.ones_like(positions), plain=stream.plain)
        totals = torch.tensor([row.scores for row in alive], device=device)
    return [row.finished for row in rows]


def decoding_of(num_beams: int, options: Mapping[str, Any], forced: Mapping[str, int]) -> Decoding:
    """Return how ids are chosen: by `Beam` where `num_beams` is above 1, else by `Sampling`; None is no option.

    `forced` stands behind the options. An option that is unknown, or of the other way, is a ConfigError.
    """
    if num_beams < 1:
        raise ConfigError(f"generate: num_beams: expected at least 1, found {num_beams}")
    kind: type[Beam] | type[Sampling]
    kind, other, when = (Beam, Sampling, "= 1") if num_beams > 1 else (Sampling, Beam, "> 1")
    if wrong := [name for name in options if name not in kind.model_fields and name in other.model_fields]:
        raise ConfigError(f"generate: {', '.join(wrong)}: only with num_beams {when}")
    tree = {name: value for name, value in {**forced, **options}.items() if value is not None}
    return parse(kind, {**tree, "beams": num_beams} if kind is Beam else tree, "generate")
