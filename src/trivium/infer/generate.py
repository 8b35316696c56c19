"""Generation: prompts of any lengths in one left-padded batch, one new id per row and step, keys and values cached.

Rows leave the batch as they finish. A row's ids do not depend on the rows beside it. Knows ids only: texts, stop
strings and streams of characters are in `write`.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import torch

from trivium.base.batch import Stream
from trivium.base.errors import ConfigError, ModelError
from trivium.infer.sampling import Sampling, force, penalise, pick
from trivium.model.transformer import Transformer


class Completion(NamedTuple):
    """What was generated after a prompt, without the stop id, and why it ended: `stop` or `length`."""

    ids: list[int]
    reason: str


class Generation:
    """A batch that grows by one id per live row and step.

    `prompts` are what the decoder has read so far; `sources` what the encoder reads, where there is one. `vocabulary`
    is how many of the model's ids stand for tokens: rows that only pad the table can never be chosen.
    """

    def __init__(
        self,
        transformer: Transformer,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling = Sampling(),
        max_new_tokens: int = 64,
        stops: Collection[int] = (),
        vocabulary: int | None = None,
        sources: Sequence[Sequence[int]] | None = None,
    ) -> None:
        config = transformer.config
        if config.decoder is None:
            raise ModelError(f"generation needs a decoder; this is an {config.family} model")
        if max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens: expected at least 1, found {max_new_tokens}")
        check(prompts, config.vocab_size, config.limit)
        self.transformer, self.sampling, self.stops = transformer, sampling, frozenset(stops)
        self.vocabulary, self.max_new_tokens, self.limit = vocabulary, max_new_tokens, config.limit
        self.ids: list[list[int]] = [[] for _ in prompts]
        self.reasons: list[str | None] = [None] * len(prompts)
        self._lengths = [len(prompt) for prompt in prompts]
        self._rows = list(range(len(prompts)))
        self._generators = sampling.generators(len(prompts))
        self._device = transformer.tokens.weight.device
        self._stream = left_padded(prompts, self._device)
        capacity = max(self._lengths, default=0) + max_new_tokens
        self._cache = transformer.decoder.cache(capacity if self.limit is None else min(capacity, self.limit))
        self._seen: torch.Tensor | None = None
        if sampling.repetition_penalty != 1:
            self._seen = torch.zeros(len(prompts), config.vocab_size, dtype=torch.bool, device=self._device)
            for row, prompt in enumerate(prompts):
                self._seen[row, list(prompt)] = True
        self._source: Stream | None = None
        self._memory: torch.Tensor | None = None
        if config.encoder is not None:
            if sources is None or len(sources) != len(prompts):
                raise ModelError("an encoder-decoder model needs a source for each prompt")
            check(sources, config.vocab_size, config.limit)
            self._source = left_padded(sources, self._device)

    @property
    def live(self) -> bool:
        """Whether some row is not finished."""
        return None in self.reasons

    def finish(self, row: int, reason: str = "stop") -> None:
        """End a row, for a reason that ids do not show (a stop string)."""
        self.reasons[row] = reason

    def step(self) -> list[tuple[int, int]]:
        """Choose one id for every live row; give (row, id) of those that are no stop id."""
        training = self.transformer.training
        self.transformer.train(False) if training else None
        try:
            with torch.inference_mode():
                return self._step()
        finally:
            self.transformer.train(True) if training else None

    def _step(self) -> list[tuple[int, int]]:
        self._drop()
        if self._source is not None and self._memory is None:
            self._memory = self.transformer.encode(self._source)
        hidden = self.transformer.decode(self._stream, self._memory, self._source, self._cache)
        logits = self.transformer.logits(hidden[:, -1])  # B V
        if self._seen is not None:
            logits = penalise(logits, self._seen, self.sampling.repetition_penalty)
        made = len(self.ids[self._rows[0]])  # live rows have written equally many
        forced = self.sampling.first if made == 0 else self.sampling.last if made + 1 == self.max_new_tokens else None
        logits = force(logits[:, : self.vocabulary], forced)
        chosen = pick(logits, self.sampling, [self._generators[row] for row in self._rows])
        if self._seen is not None:
            self._seen.scatter_(1, chosen[:, None], True)
        new = []
        for row, index in zip(self._rows, chosen.tolist(), strict=True):
            if index in self.stops:
                self.reasons[row] = "stop"
                continue
            self.ids[row].append(index)
            new.append((row, index))
            # The next step would feed this id, at the position after all that came before it.
            full = self.limit is not None and self._lengths[row] + len(self.ids[row]) > self.limit
            if full or len(self.ids[row]) == self.max_new_tokens:
                self.reasons[row] = "length"
        positions = self._stream.positions[:, -1:] + 1
        ones = torch.ones_like(positions)
        self._stream = Stream(chosen[:, None], positions, ones, plain=self._stream.plain)
        return new

    def _drop(self) -> None:
        """Take finished rows out of the batch."""
        keep = [at for at, row in enumerate(self._rows) if self.reasons[row] is None]
        if len(keep) == len(self._rows):
            return
        rows = torch.tensor(keep, device=self._device)
        self._rows = [self._rows[at] for at in keep]
        self._cache.select(rows)
        self._stream = _select(self._stream, rows)
        self._seen = None if self._seen is None else self._seen[rows]
        if self._source is not None and self._memory is not None:
            self._source, self._memory = _select(self._source, rows), self._memory[rows]


def left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> Stream:
    """Lay id lists side by side, their ends aligned; padding is document 0, and all that is given is prefix."""
    width = max(map(len, rows), default=0)
    ids, positions, documents = torch.zeros(3, len(rows), width, dtype=torch.long).unbind()
    for r, row in enumerate(rows):
        start = width - len(row)
        ids[r, start:] = torch.tensor(row)
        positions[r, start:] = torch.arange(len(row))
        documents[r, start:] = 1
    plain = bool((documents == 1).all())
    documents = documents.to(device)
    return Stream(ids.to(device), positions.to(device), documents, plain, prefix=documents > 0)


def _select(stream: Stream, rows: torch.Tensor) -> Stream:
    return Stream(stream.ids[rows], stream.positions[rows], stream.documents[rows], stream.plain)


def check(rows: Sequence[Sequence[int]], vocab_size: int, limit: int | None) -> None:
    """Refuse rows that a model cannot read: empty, too long for its positions, or with ids that it does not have."""
    for r, row in enumerate(rows):
        if not len(row):
            raise ModelError(f"prompt {r} is empty; expected at least one id")
        if limit is not None and len(row) > limit:
            raise ModelError(f"prompt {r} has {len(row)} tokens, but the model has only {limit} positions; shorten it")
        if min(row) < 0 or max(row) >= vocab_size:
            wrong = next(i for i in row if not 0 <= i < vocab_size)
            raise ModelError(f"prompt {r} has the id {wrong}; expected ids from 0 to {vocab_size - 1}")


def generate(
    transformer: Transformer,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling = Sampling(),
    max_new_tokens: int = 64,
    stops: Collection[int] = (),
    vocabulary: int | None = None,
    sources: Sequence[Sequence[int]] | None = None,
) -> list[Completion]:
    """Continue every prompt; see Generation."""
    run = Generation(transformer, prompts, sampling, max_new_tokens, stops, vocabulary, sources)
    while run.live:
        run.step()
    return [Completion(ids, reason or "length") for ids, reason in zip(run.ids, run.reasons, strict=True)]


def stream(
    transformer: Transformer,
    prompt: Sequence[int],
    sampling: Sampling = Sampling(),
    max_new_tokens: int = 64,
    stops: Collection[int] = (),
    vocabulary: int | None = None,
) -> Iterator[int]:
    """Continue one prompt, id by id."""
    run = Generation(transformer, [prompt], sampling, max_new_tokens, stops, vocabulary)
    while run.live:
        yield from (index for _, index in run.step())
