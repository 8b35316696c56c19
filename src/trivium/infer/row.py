"""A row: one text in progress, with its own way of choosing ids, its own end, and its own keys and values."""

from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import takewhile

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trivium.infer.sampling import Sampling, force, penalise, pick
from trivium.model.attention.cache import KVCache


class Row:
    """The prompt and the ids after it. `reason` is None until it ends."""

    def __init__(
        self,
        prompt: Sequence[int],
        source: Sequence[int] | None,
        sampling: Sampling,
        generator: torch.Generator,
        max_new_tokens: int,
        stops: Collection[int] = (),
        vocabulary: int | None = None,
        limit: int | None = None,
    ) -> None:
        """`limit` is the number of positions of the model, None for no limit; other arguments as in Request."""
        self.prompt, self.source, self.sampling, self.generator = list(prompt), source, sampling, generator
        self.max_new_tokens, self.stops, self.vocabulary = max_new_tokens, frozenset(stops), vocabulary
        capacity = len(self.prompt) + max_new_tokens
        self.capacity = capacity if limit is None else min(capacity, limit)
        self.ids: list[int] = []
        self.reason: str | None = None
        self.read = 0
        """How many ids the model has read."""
        self.hit = 0
        """How many ids of the prompt another row had read."""
        self.cache: KVCache | None = None

    @property
    def text(self) -> list[int]:
        """The prompt and the new ids."""
        return self.prompt + self.ids

    @property
    def unread(self) -> list[int]:
        """The ids that the model has not read."""
        end = len(self.prompt)
        return self.prompt[self.read :] + self.ids[max(self.read - end, 0) :]

    @cached_property
    def _choice(self) -> str:
        return self.sampling.replace(seed=None).model_dump_json()

    @property
    def forced(self) -> int | None:
        """The id that must come next, if any."""
        made = len(self.ids)
        return self.sampling.first if made == 0 else self.sampling.last if made + 1 == self.max_new_tokens else None

    @property
    def way(self) -> tuple[str, int, int]:
        """How the next id is chosen; rows of one way are chosen together."""
        return self._choice, -1 if self.forced is None else self.forced, self.vocabulary or 0

    @cached_property
    def seen(self) -> set[int]:
        """The different ids of the prompt and of the text, for the repetition penalty."""
        return set(self.text)

    def common(self, other: "Row") -> int:
        """Return how many ids of this prompt, but the last, another row has read first; 0 with another source."""
        if other.source != self.source:
            return 0
        pairs = zip(self.prompt[:-1], other.text[: other.read], strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def take(self, index: int, limit: int | None) -> bool:
        """Add a new id, unless it ends the text; return whether it was added."""
        if self.reason is not None:
            return False
        if index in self.stops:
            self.reason = "stop"
            return False
        self.ids.append(index)
        if "seen" in self.__dict__:
            self.seen.add(index)
        # The next step would read this id, at the position after all ids before it.
        full = limit is not None and len(self.prompt) + len(self.ids) > limit
        if full or len(self.ids) == self.max_new_tokens:
            self.reason = "length"
        return True


def choose(rows: Sequence[Row], logits: Float[Tensor, "R V"]) -> Int[Tensor, " R"]:
    """Return the next id of rows of one way."""
    sampling = rows[0].sampling
    if sampling.repetition_penalty != 1:
        seen = torch.zeros_like(logits, dtype=torch.bool)
        for at, row in enumerate(rows):
            seen[at, list(row.seen)] = True
        logits = penalise(logits, seen, sampling.repetition_penalty)
    logits = force(logits[:, : rows[0].vocabulary], rows[0].forced)
    return pick(logits, sampling, [row.generator for row in rows])
