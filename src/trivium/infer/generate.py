"""Generation: prompts of any lengths in one left-padded batch, one new id per row and step, keys and values cached.

Rows leave the batch as they finish. A row's ids do not depend on the rows beside it. Knows ids only: texts, stop
strings and streams of characters are in `write`.
"""

import torch
from torch import Tensor

from trivium.base.batch import Stream
from trivium.base.errors import ConfigError
from trivium.infer.beam import Beam, search
from trivium.infer.padding import left_padded, select
from trivium.infer.request import Completion, Request
from trivium.infer.sampling import Sampling, pick
from trivium.model.device import evaluating
from trivium.model.transformer import Transformer


class Generation:
    """A request in progress: a batch that grows by one id per live row and step."""

    def __init__(self, transformer: Transformer, request: Request) -> None:
        """Raise ModelError or ConfigError where the model cannot run the request."""
        config, prompts = transformer.config, request.prompts
        request.check(config)
        if not isinstance(request.decoding, Sampling):
            raise ConfigError("num_beams: beam search cannot write piece by piece; use generate, or num_beams=1")
        self.transformer, self.request, self.sampling = transformer, request, request.decoding
        self.ids: list[list[int]] = [[] for _ in prompts]
        self.reasons: list[str | None] = [None] * len(prompts)
        self._stops, self._limit = frozenset(request.stop_ids), config.limit
        self._lengths = [len(prompt) for prompt in prompts]
        self._rows = list(range(len(prompts)))  # the rows that are still in the batch
        self._generators = self.sampling.generators(len(prompts))
        self._device = transformer.tokens.weight.device
        self._stream = left_padded(prompts, self._device)
        capacity = max(self._lengths, default=0) + request.max_new_tokens
        self._cache = transformer.decoder.cache(capacity if config.limit is None else min(capacity, config.limit))
        both = config.encoder is not None and request.sources is not None
        self._source = left_padded(request.sources or (), self._device) if both else None
        self._memory: Tensor | None = None

    @property
    def live(self) -> bool:
        """Whether a row is not finished."""
        return None in self.reasons

    def finish(self, row: int, reason: str = "stop") -> None:
        """End a row for a reason that its ids do not show, such as a stop string."""
        self.reasons[row] = reason

    def step(self) -> list[tuple[int, int]]:
        """Choose one id for every live row; return (row, id) of each id that is no stop id."""
        with evaluating(self.transformer), torch.inference_mode():
            self._drop()
            chosen = self._choose()
        new = []
        for row, index in zip(self._rows, chosen.tolist(), strict=True):
            if index in self._stops:
                self.reasons[row] = "stop"
                continue
            self.ids[row].append(index)
            new.append((row, index))
            # The next step would read this id, at the position after all ids before it.
            full = self._limit is not None and self._lengths[row] + len(self.ids[row]) > self._limit
            if full or len(self.ids[row]) == self.request.max_new_tokens:
                self.reasons[row] = "length"
        return new

    def _choose(self) -> Tensor:
        """Run the model on the newest ids; return the next id of every row of the batch, [B]."""
        if self._source is not None and self._memory is None:
            self._memory = self.transformer.encode(self._source)
        hidden = self.transformer.decode(self._stream, self._memory, self._source, self._cache)
        request, made = self.request, len(self.ids[self._rows[0]])  # all live rows have equally many new ids
        logits = self.transformer.logits(hidden[:, -1])[:, : request.vocabulary]  # B V
        texts = [[*request.prompts[row], *self.ids[row]] for row in self._rows]
        logits = self.sampling.bound(logits, texts, made, request.max_new_tokens, self._stops)
        chosen = pick(logits, self.sampling, [self._generators[row] for row in self._rows])
        positions = self._stream.positions[:, -1:] + 1
        self._stream = Stream(chosen[:, None], positions, torch.ones_like(positions), plain=self._stream.plain)
        return chosen

    def _drop(self) -> None:
        """Take finished rows out of the batch."""
        keep = [at for at, row in enumerate(self._rows) if self.reasons[row] is None]
        if len(keep) == len(self._rows):
            return
        rows = torch.tensor(keep, device=self._device)
        self._rows = [self._rows[at] for at in keep]
        self._cache.select(rows)
        self._stream = select(self._stream, rows)
        if self._source is not None and self._memory is not None:
            self._source, self._memory = select(self._source, rows), self._memory[rows]


def generate(transformer: Transformer, request: Request) -> list[Completion]:
    """Return the completion of each prompt; with beam search, the best one. ConfigError: stop strings need texts."""
    if isinstance(request.decoding, Beam):
        return [found[0] for found in search(transformer, request)]
    if request.stop_strings:
        raise ConfigError("stop: stop strings need prompts that are texts")
    run = Generation(transformer, request)
    while run.live:
        run.step()
    return [Completion(ids, reason or "length") for ids, reason in zip(run.ids, run.reasons, strict=True)]
