"""What an encoder would put into the gaps of a text. Knows ids only."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from trivium.base.errors import ConfigError, ModelError
from trivium.infer.encode import read
from trivium.infer.generate import check
from trivium.model.transformer import Transformer


class Guess(NamedTuple):
    """An id for a gap and its probability."""

    id: int
    probability: float


def fill(
    transformer: Transformer, ids: Sequence[int], mask: int, top: int = 5, vocabulary: int | None = None
) -> list[list[Guess]]:
    """The `top` guesses for each mask of a text, in order; every gap is guessed with the others still open.

    `vocabulary` is how many of the model's ids stand for tokens.
    """
    config = transformer.config
    if config.family != "encoder":
        raise ModelError(f"filling gaps needs an encoder; this model is of family {config.family}")
    if not hasattr(transformer.head, "features"):
        raise ModelError("filling gaps needs a head over the vocabulary, and this model has none")
    check([ids], config.vocab_size, config.limit)
    gaps = [at for at, index in enumerate(ids) if index == mask]
    if not gaps:
        raise ConfigError("there is no mask in the text: expected at least one gap to fill")
    training = transformer.training
    transformer.eval()
    try:
        with torch.inference_mode():
            hidden = transformer.encode(read([ids], transformer))[0, gaps]
            probabilities = transformer.logits(hidden)[:, :vocabulary].softmax(dim=-1)
    finally:
        transformer.train(training)
    values, index = probabilities.topk(min(top, probabilities.shape[1]))
    return [
        [Guess(*pair) for pair in zip(*row, strict=True)] for row in zip(index.tolist(), values.tolist(), strict=True)
    ]
