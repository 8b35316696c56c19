"""A row: one text in progress, with its own way of choosing ids, its own end, and its own keys and values."""

from collections.abc import Collection, Hashable, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from trivium.base.types import Patches
from trivium.infer.grammar import Grammar
from trivium.infer.lookup import Lookup
from trivium.infer.padding import Source
from trivium.infer.sampling import Sampling
from trivium.model.attention.slots import Slot


class Chance(NamedTuple):
    """The natural log-probability of a chosen id before sampling, and the most likely ids with theirs, best first."""

    logprob: float
    top: list[tuple[int, float]]


class Row:
    """The prompt and the ids after it. `reason` is None until it ends."""

    def __init__(
        self,
        prompt: Sequence[int],
        source: Source | None,
        sampling: Sampling,
        generator: torch.Generator,
        max_new_tokens: int,
        stops: Collection[int] = (),
        vocabulary: int | None = None,
        limit: int | None = None,
        top: int | None = None,
    ) -> None:
        """`limit` is the number of positions of the model, None for no limit; other arguments as in Request.

        With `top` each new id gets its log-probability, beside those of the `top` most likely ids.
        """
        self.prompt, self.source, self.sampling, self.generator = list(prompt), source, sampling, generator
        self.max_new_tokens, self.stops, self.vocabulary = max_new_tokens, frozenset(stops), vocabulary
        capacity = len(self.prompt) + max_new_tokens
        self.capacity = capacity if limit is None else min(capacity, limit)
        self.top = top
        self.ids: list[int] = []
        self.chances: list[Chance] = []
        """The log-probabilities of the new ids, where `top` asks for them."""
        self.reason: str | None = None
        self.read = 0
        """How many ids the model has read."""
        self.given = len(self.prompt) if source is None else len(source) + len(self.prompt) - 1
        """How many tokens were given, of texts and of pictures: the start of a decoder beside an encoder is none."""
        self.hit = 0
        """How many ids of the prompt another row had read."""
        self.slot: Slot | None = None
        """Where its keys and values are."""
        self.grammar: Grammar | None = None
        """What the text may be."""
        self.lookup: Lookup | None = None
        """What guesses the next ids, from the first new id on."""
        self.draft: list[int] = []
        """The guessed ids that are read in this step behind all others."""

    @property
    def text(self) -> list[int]:
        """The prompt and the new ids."""
        return self.prompt + self.ids

    @property
    def unread(self) -> list[int]:
        """The ids that the model has not read, the guessed ones included."""
        end = len(self.prompt)
        return (
            self.prompt[self.read :]
            + self.ids[max(self.read - end, 0) :]
            + self.draft[max(self.read - end - len(self.ids), 0) :]
        )

    def guess(self, most: int, never: int | None = None) -> None:
        """Guess at most `most` ids, which are read in the next pass behind the last one; only a greedy row does.

        A guess ends before the id `never`.
        """
        most = min(most, self.capacity - self.read - 1, self.max_new_tokens - len(self.ids) - 1)
        if most > 0 and not self.sampling.temperature:
            read = [] if self.source is None or isinstance(self.source, Patches) else self.source
            self.lookup = self.lookup or Lookup([*read, *self.prompt])
            draft = self.lookup.guess(self.ids, most)
            self.draft = draft[: draft.index(never)] if never in draft else draft

    def settle(self, right: int) -> None:
        """Forget the guess, of which `right` ids were right, and what was read of the others."""
        if self.draft:
            assert self.lookup is not None and self.slot is not None
            self.lookup.judge(len(self.draft), right)
            self.slot.trim(len(self.draft) - right)
            self.read -= len(self.draft) - right
            self.draft = []

    @property
    def writes(self) -> bool:
        """Whether the model has read all but the last id."""
        return len(self.prompt) + len(self.ids) - self.read == 1

    @cached_property
    def _choice(self) -> str:
        return self.sampling.replace(seed=None).model_dump_json()

    @property
    def way(self) -> Hashable:
        """How the next id is chosen; rows of one way are chosen together."""
        made, short = len(self.ids), len(self.ids) < self.sampling.min_new_tokens
        ends = made == 0, made + 1 == self.max_new_tokens
        counted = made if self.sampling.presence_penalty or self.sampling.frequency_penalty else 0
        return self._choice, self.vocabulary, ends, counted, self.stops if short else None

    def common(self, other: "Row") -> int:
        """Return how many ids of this prompt, but the last, another row has read first; 0 with another source."""
        if other.source != self.source:
            return 0
        mine, theirs = self.prompt[:-1], other.text[: other.read]
        low, high = 0, min(len(mine), len(theirs))
        while low < high:  # slices compare faster than a loop over ids
            middle = (low + high + 1) // 2
            same = mine[low:middle] == theirs[low:middle]
            low, high = (middle, high) if same else (low, middle - 1)
        return low

    def begins(self, other: "Row") -> bool:
        """Return whether what this row has read begins with all that another has read."""
        return self.read >= other.read and self.text[: other.read] == other.text[: other.read]

    def end(self, reason: str, count: int | None = None) -> None:
        """End the text for a reason that its ids do not show; keep its first `count` new ids, None for all."""
        if count is not None:
            del self.ids[count:], self.chances[count:]
            self.read = min(self.read, len(self.text))
        self.reason = reason

    def take(self, index: int, logits: Float[Tensor, " V"], limit: int | None) -> bool:
        """Add a new id, chosen by logits, unless it ends the text; return whether it was added."""
        if self.reason is not None:
            return False
        if index in self.stops:
            self.reason = "stop"
            return False
        self.ids.append(index)
        if self.grammar is not None:
            self.grammar.take(index)
            self.reason = "stop" if self.grammar.done else None
        if self.top is not None:
            found = logits[: self.vocabulary].float().log_softmax(dim=-1)
            values, best = found.topk(min(self.top, len(found)))
            top = list(zip(best.tolist(), values.tolist(), strict=True))
            self.chances.append(Chance(float(found[index]), top))
        # The next step would read this id, at the position after all ids before it.
        full = limit is not None and len(self.prompt) + len(self.ids) > limit
        if full or len(self.ids) == self.max_new_tokens:
            self.reason = self.reason or "length"
        return True
