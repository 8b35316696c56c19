"""The subject of a certificate: a model, the texts that it reads, and how far it may be off."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from trivium import api
from trivium.base.errors import DataError, ModelError
from trivium.base.types import Example
from trivium.infer.request import Request
from trivium.token.template import asked_by_template

NEW_TOKENS = 32
"""The most ids that are written after each text."""
READ = 64
"""The most ids of a text that are read."""


@dataclass
class Subject:
    """A model folder and what it is asked."""

    folder: Path
    model: api.Model
    texts: list[str]
    exact: bool = False
    new_tokens: int = NEW_TOKENS
    gguf: Path | None = None
    ctranslate2: Path | None = None
    read: list[list[int]] = field(init=False)
    """The ids that the first stack reads of each text."""
    expected: "list[Reply]" = field(default_factory=list)
    """What the trainer's forward says about each text."""

    def __post_init__(self) -> None:
        """Cut the texts to what the model reads beside an answer; texts are greedy, whatever its folder prefers."""
        if self.model.config.pictures is not None:
            raise ModelError(f"{self.folder}: reads pictures; `trivium verify` compares what models read of texts")
        self.model.defaults = {}
        context = min(self.model.config.context, self.model.config.limit or self.model.config.context)
        self.new_tokens = max(1, min(self.new_tokens, context // 2)) if self.writes else 0
        longest = min(READ, context if self.both else context - self.new_tokens)
        self.texts = [self._cut(text, longest) for text in self.texts]
        self.read = [self.model.encode(text) for text in self.texts]

    def _cut(self, text: str, longest: int) -> str:
        while len(self.model.encode(text)) > longest:
            if len(text) < 2:
                raise DataError(f"{self.folder}: reads only {longest} tokens: too few for a text")
            text = text[: len(text) * 3 // 4].rstrip() or text[0]
        return text

    @property
    def writes(self) -> bool:
        """Whether the model writes text; else it reads texts, and its states or scores are compared."""
        return self.model.config.decoder is not None and self.model.config.head.kind == "lm"

    @property
    def both(self) -> bool:
        """Whether it has an encoder and a decoder."""
        return self.model.config.family == "encoder_decoder"

    @property
    def templated(self) -> bool:
        """Whether its folder's chat template stands around a text."""
        return self.both and asked_by_template(self.model.record)

    def request(self, some: Sequence[int] | None = None) -> Request:
        """Return the greedy request of these texts, or of all."""
        rows = self.read if some is None else [self.read[at] for at in some]
        return self.model.request(rows, self.new_tokens)

    def example(self, at: int, new: Sequence[int] = ()) -> Example:
        """Return what the trainer's forward reads of a text, and of the ids that were written after it."""
        ids = np.array(self.read[at])
        if not self.writes:
            return self.model.layout().example([self.model.tokenizer.encode(self.texts[at])])
        if self.both:
            return Example(enc=ids, dec=np.array([*self.prompt(at), *new]))
        decoder = self.model.config.decoder
        marked = decoder is not None and any(pattern.marked for pattern in decoder.pattern)
        return Example(dec=np.array([*ids, *new]), prefix=len(ids) if marked else 0)

    def prompt(self, at: int) -> list[int]:
        """Return the ids that the decoder begins with."""
        return list(self.request([at]).prompts[0])


@dataclass
class Reply:
    """What one way of computing says about one text; None is what it does not tell."""

    read: list[int] | None = None
    """The ids that it reads of the text."""
    states: Tensor | None = None
    """The last hidden states [T, D]."""
    logits: Tensor | None = None
    """Logits [T, V] of a decoder at each place of its prompt and of the ids of the reference, or an encoder's."""
    scores: Tensor | None = None
    """What the head of a task says: [C], or [T, C]."""
    vector: Tensor | None = None
    """The text as one vector [Q]."""
    ids: list[int] | None = None
    """The new ids, greedy."""
    text: str | None = None
    """The new text, greedy."""
    chances: list[dict[int, float]] | None = None
    """The log-probabilities of some ids at each new place."""


def logprobs(logits: Tensor, vocabulary: int | None) -> Tensor:
    """Return the natural log-probabilities over the ids that stand for tokens."""
    return logits[..., :vocabulary].float().log_softmax(-1)


def slack(table: Tensor, tolerance: float) -> float:
    """Return how far numbers may be off: the tolerance x max(1, their standard deviation)."""
    return tolerance * max(1.0, float(table.double().std(correction=0)))
