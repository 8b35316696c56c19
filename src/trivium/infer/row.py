"""A row: one text in progress, with its own way of choosing ids, its own end, and its own keys and values."""

from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import takewhile

import torch
from jaxtyping import Float
from torch import Tensor

from trivium.infer.sampling import Sampling
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
    def way(self) -> str:
        """How the next id is chosen; rows of one way are chosen together."""
        return self.sampling.replace(seed=None).model_dump_json()

    def bound(self, logits: Float[Tensor, "1 V"]) -> Float[Tensor, "1 V"]:
        """Return the logits of the next id after the rules of the request."""
        made = len(self.ids)
        return self.sampling.bound(logits[:, : self.vocabulary], [self.text], made, self.max_new_tokens, self.stops)

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
        # The next step would read this id, at the position after all ids before it.
        full = limit is not None and len(self.prompt) + len(self.ids) > limit
        if full or len(self.ids) == self.max_new_tokens:
            self.reason = "length"
        return True
