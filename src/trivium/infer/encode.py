"""Embeddings: one vector for each text, pooled from the hidden states of its tokens. Knows ids only.

Sentence encoders are trained with the mean over tokens (Reimers and Gurevych 2019, arXiv:1908.10084). Only the last
token of a decoder has read the whole text.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from trivium.base.types import Pooling
from trivium.infer.padding import by_length, check, right_padded
from trivium.model.layer.score import pooled
from trivium.model.mode import evaluating
from trivium.model.transformer import Transformer

BATCH_ROWS = 32


def embed(
    transformer: Transformer, rows: Sequence[Sequence[int]], pool: Pooling | None = None, normalise: bool = True
) -> Float[Tensor, "N D"]:
    """Return the vectors of N rows of ids, float32 on the CPU, of length 1 if `normalise`.

    `pool` None is the mean of an encoder's states, or a decoder's last state. Of an encoder-decoder the encoder reads.
    ModelError names a row that the model cannot read.
    """
    config, device = transformer.config, transformer.tokens.weight.device
    pool = pool or ("mean" if config.encoder is not None else "last")
    check(rows, config.vocab_size, config.limit)
    found = torch.empty(len(rows), config.hidden_size)
    with evaluating(transformer):
        for some in by_length(rows, BATCH_ROWS):
            side = right_padded([rows[row] for row in some], device)
            hidden = transformer.decode(side) if config.encoder is None else transformer.encode(side)
            vectors = pooled(hidden.float(), side, pool)
            found[some] = (F.normalize(vectors, dim=-1) if normalise else vectors).cpu()
    return found
