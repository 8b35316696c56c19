"""Generation: a request becomes rows of an engine, and comes back as completions. Knows ids only.

A row's ids do not depend on the rows beside it. Texts, stop strings and streams of characters are in `write`. A call's
own options win over those that a model's folder states; beams that only the folder asks for give way to what beam
search cannot do: an option of sampling, a stop text, a stream, the exact mode.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from trivium.base.errors import ConfigError
from trivium.infer.beam import Beam, search
from trivium.infer.engine import InferenceEngine
from trivium.infer.request import Completion, Request, most
from trivium.infer.row import Row
from trivium.infer.sampling import Sampling
from trivium.model.config import ModelConfig
from trivium.model.transformer import Transformer


def rows(config: ModelConfig, request: Request, top: int | None = None) -> list[Row]:
    """Return a row for each prompt of a request; `top` asks for log-probabilities (see Row).

    Raise ModelError or ConfigError where a model of this config cannot run the request.
    """
    request.check(config)
    prompts, decoding = request.prompts, request.decoding
    if not isinstance(decoding, Sampling):
        raise ConfigError("num_beams: beam search cannot write piece by piece; use generate, or num_beams=1")
    sources = request.sources if config.encoder is not None and request.sources else [None] * len(prompts)
    rest = request.max_new_tokens, request.stop_ids, request.vocabulary, config.limit, top
    drawn = zip(prompts, sources, decoding.generators(len(prompts)), strict=True)
    made = [Row(prompt, source, decoding, draw, *rest) for prompt, source, draw in drawn]
    if config.placeholder is not None:  # the places of a picture are part of the prompt
        for row in made:
            row.given = len(row.prompt)
    return made


class Generation:
    """A request in progress on an engine, which may have rows of others too, also of other threads."""

    def __init__(self, transformer: Transformer, request: Request, engine: InferenceEngine | None = None) -> None:
        """Raise ModelError or ConfigError where the model cannot run the request."""
        self.rows = rows(transformer.config, request)
        self.request, self.engine = request, engine or InferenceEngine(transformer, exact=request.exact)
        self._told = [0] * len(self.rows)
        with self.engine.lock:
            for row in self.rows:
                self.engine.submit(row)

    @property
    def ids(self) -> list[list[int]]:
        """The new ids of each prompt so far."""
        return [row.ids for row in self.rows]

    @property
    def reasons(self) -> list[str | None]:
        """Why each prompt's text ended, None for one that has not."""
        return [row.reason for row in self.rows]

    @property
    def live(self) -> bool:
        """Whether a row is not finished, or has ids that `step` has not returned."""
        return any(row.reason is None or told < len(row.ids) for row, told in zip(self.rows, self._told, strict=True))

    def finish(self, row: int, reason: str = "stop", count: int | None = None) -> None:
        """End a row for a reason that its ids do not show, such as a stop string; keep its first `count` ids."""
        self.rows[row].end(reason, count)
        self._told[row] = len(self.rows[row].ids)

    def step(self) -> list[tuple[int, int]]:
        """Return (row, id) of each new id that is no stop id; run a step of the engine unless there are some."""
        if not (new := self._new()):
            with self.engine.lock:
                self.engine.step()
            new = self._new()
        return new

    def _new(self) -> list[tuple[int, int]]:
        new = [(number, index) for number, row in enumerate(self.rows) for index in row.ids[self._told[number] :]]
        self._told = [len(row.ids) for row in self.rows]
        return new


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


SAMPLED = set(Sampling.model_fields) - set(Beam.model_fields)
"""The options that beam search has not."""


class WritingModel:
    """The parts of a model that writes, and the requests that its folder's options complete."""

    transformer: Transformer
    exact: bool
    defaults: dict[str, Any]
    """Options in the words of `request` that hold where a call does not give them."""

    def request(
        self, ids: Sequence[list[int]], max_new_tokens: int, stop: Any, num_beams: int, pictures: Any, **options: Any
    ) -> Request:
        """Return the request of a call that gives all its options."""
        raise NotImplementedError

    def beams(self, num_beams: int | None, stop: Any = None, options: Mapping[str, Any] = {}) -> int:
        """Return the number of beams of a call: its own, or where it is None what the folder says, if it can be."""
        if num_beams is not None:
            return num_beams
        free = not stop and not options.get("exact", self.exact)
        free = free and all(options.get(name) is None for name in SAMPLED)
        return int(self.defaults.get("num_beams", 1)) if free else 1

    def usual(
        self,
        ids: Sequence[list[int]],
        asked: int | None,
        usual: int,
        stop: Any = None,
        num_beams: int = 1,
        pictures: Any = None,
        **options: Any,
    ) -> Request:
        """Return the request of a call, with the options of the folder where the call does not give them.

        `asked` is the most new tokens; where it is None, what the folder says, or `usual`. The folder's least length
        is no longer than that.
        """
        count = most(self.transformer.config, asked, self.defaults.get("max_new_tokens", usual), ids)
        known = (Beam if num_beams > 1 else Sampling).model_fields
        found = {name: value for name, value in self.defaults.items() if name in known}
        if "min_new_tokens" in found:
            found["min_new_tokens"] = min(found["min_new_tokens"], count)
        return self.request(ids, count, stop, num_beams, pictures, **{**found, **options})
