"""Fill the masked positions of a text with an encoder. Knows ids only."""

from collections.abc import Sequence
from typing import NamedTuple

from trivium.base.errors import ConfigError, ModelError
from trivium.infer.padding import check, right_padded
from trivium.model.mode import evaluating
from trivium.model.transformer import Transformer


class Guess(NamedTuple):
    """An id for a masked position and its probability."""

    id: int
    probability: float


def fill(
    transformer: Transformer, ids: Sequence[int], mask: int, top: int = 5, vocabulary: int | None = None
) -> list[list[Guess]]:
    """Return the `top` guesses for each mask of a text, in order; each is guessed while the others are still masked.

    `vocabulary` is the number of the model's ids that stand for tokens. Raise ModelError where the model is no encoder
    with a head over the vocabulary, and ConfigError where the text has no mask.
    """
    config = transformer.config
    if config.family != "encoder":
        raise ModelError(f"filling masks needs an encoder; this model is of family {config.family}")
    if not hasattr(transformer.head, "features"):
        raise ModelError("filling masks needs a head over the vocabulary, and this model has none")
    check([ids], config.vocab_size, config.limit)
    gaps = [at for at, index in enumerate(ids) if index == mask]
    if not gaps:
        raise ConfigError("there is no mask in the text: expected at least one [MASK] to fill")
    with evaluating(transformer):
        hidden = transformer.encode(right_padded([ids], transformer.tokens.weight.device))[0, gaps]  # G D
        probabilities = transformer.logits(hidden)[:, :vocabulary].softmax(dim=-1)
    values, index = probabilities.topk(min(top, probabilities.shape[1]))
    return [
        [Guess(*pair) for pair in zip(*row, strict=True)] for row in zip(index.tolist(), values.tolist(), strict=True)
    ]
