"""A request: one generation job, for one prompt or several, and the completions that come back. Knows ids only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from trivium.base.errors import ConfigError, ModelError
from trivium.infer.padding import Source, check, check_sources
from trivium.infer.sampling import Decoding, Sampling
from trivium.model.config import ModelConfig
from trivium.model.layer.head import Hidden
from trivium.model.layer.score import LabelHead, SentenceEmbedding


@dataclass(frozen=True)
class Request:
    """What to read, how to choose ids, and where to end."""

    prompts: Sequence[Sequence[int]] = ()
    """What the decoder continues; beside an encoder usually one start id each."""
    sources: Sequence[Source] | None = None
    """What the encoder reads, one for each prompt; None for a model without an encoder.

    Where the encoder's states stand in the prompt (no cross-attention), None is for prompts without a picture.
    """
    decoding: Decoding = field(default_factory=Sampling)
    max_new_tokens: int = 64
    stop_ids: Collection[int] = ()
    """Ids that end a text and are not part of it."""
    stop_strings: Sequence[str] = ()
    """Texts that end a text and are cut off; they need a tokenizer (see infer/write)."""
    exact: bool = False
    """Whether the ids of a row have to be the same beside any rows: see `InferenceEngine`."""
    vocabulary: int | None = None
    """The number of ids that stand for tokens. Ids above it only pad the model's table and are never chosen."""

    def check(self, config: ModelConfig) -> None:
        """Raise ModelError or ConfigError where a model of this config cannot run the request."""
        if config.decoder is None:
            raise ModelError(f"generation needs a decoder; this is an {config.family} model")
        if not writes(config):
            raise ModelError(f"generation needs scores of tokens; the head of this model is of kind {config.head.kind}")
        if self.exact and not isinstance(self.decoding, Sampling):
            raise ConfigError("exact: beam search has no exact mode; use num_beams=1")
        if self.max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens: expected at least 1, found {self.max_new_tokens}")
        if (least := self.decoding.min_new_tokens) > self.max_new_tokens:
            raise ConfigError(f"min_new_tokens: expected at most max_new_tokens {self.max_new_tokens}, found {least}")
        check(self.prompts, config.vocab_size, config.limit)
        if config.encoder is not None:
            if self.sources is None and config.placeholder is not None:
                return check_sources([None] * len(self.prompts), self.prompts, config)
            if self.sources is None or len(self.sources) != len(self.prompts):
                raise ModelError("an encoder-decoder model needs a source for each prompt")
            check_sources(self.sources, self.prompts, config)


def writes(config: ModelConfig) -> bool:
    """Return whether a model of this config writes text: it has a decoder, and its head scores tokens."""
    return config.decoder is not None and not isinstance(config.head, Hidden | LabelHead | SentenceEmbedding)


def writable(logits: Float[Tensor, "R V"], config: ModelConfig) -> Float[Tensor, "R V"]:
    """Return logits by which the image token is never written: it stands for a part of a picture."""
    if config.placeholder is None:
        return logits
    return logits.index_fill(-1, torch.tensor(config.placeholder, device=logits.device), -torch.inf)


def most(config: ModelConfig, asked: int | None, usual: int, prompts: Sequence[Sequence[int]] = ()) -> int:
    """Return the most new tokens: what is asked for, or `usual`, or the context if that is less.

    Raise ModelError for a model that does not write or a prompt that is longer than the context, and ConfigError where
    more is asked for than the context.
    """
    if config.decoder is None:
        raise ModelError(
            "generation needs a decoder; this model is an encoder: see `trivium fill` and `trivium predict`"
        )
    if long := [(number, len(row)) for number, row in enumerate(prompts) if len(row) > config.context]:
        number, size = long[0]
        context = f"the model's context is {config.context:,}"
        raise ModelError(f"prompt {number} has {size:,} tokens, but {context}; shorten it")
    if asked is not None and asked > config.context:
        raise ConfigError(
            f"max_new_tokens: expected at most the model's context of {config.context:,}, found {asked:,}"
        )
    return min(usual, config.context) if asked is None else asked


class Completion(NamedTuple):
    """A text that a model wrote after a prompt."""

    ids: list[int]
    """The new ids, without the stop id."""
    reason: str
    """Why it ended: `stop` or `length`."""
    score: float = 0.0
    """Beam search: the sum of log-probabilities divided by length ** length_penalty; otherwise 0."""
