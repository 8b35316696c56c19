"""One vector for each text: hidden states pooled over its tokens. Knows ids only.

Mean over tokens is what sentence encoders are trained with (Reimers and Gurevych 2019, arXiv:1908.10084); a decoder's
last token is the only one that has read the whole text.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch, Stream, stream
from trivium.base.types import Pooling
from trivium.infer.generate import check
from trivium.model.device import place
from trivium.model.layer.score import pooled
from trivium.model.transformer import Transformer

BATCH_ROWS = 32


def embed(
    transformer: Transformer, rows: Sequence[Sequence[int]], pool: Pooling | None = None, normalise: bool = True
) -> Float[Tensor, "N D"]:
    """The vectors of ids, float32, of length 1 if `normalise`d.

    `pool` None is the mean of an encoder's states, or the last of a decoder's. An encoder-decoder's encoder reads.
    """
    config = transformer.config
    pool = pool or ("mean" if config.encoder is not None else "last")
    check(rows, config.vocab_size, config.limit)
    found = torch.empty(len(rows), config.hidden_size)
    order = sorted(range(len(rows)), key=lambda at: len(rows[at]))  # neighbours of one length waste no padding
    training = transformer.training
    transformer.eval()
    try:
        with torch.inference_mode():
            for at in range(0, len(order), BATCH_ROWS):
                some = order[at : at + BATCH_ROWS]
                side = read([rows[row] for row in some], transformer)
                hidden = transformer.decode(side) if config.encoder is None else transformer.encode(side)
                vectors = pooled(hidden.float(), side, pool)
                found[some] = (F.normalize(vectors, dim=-1) if normalise else vectors).cpu()
    finally:
        transformer.train(training)
    return found


def read(rows: Sequence[Sequence[int]], transformer: Transformer) -> Stream:
    """Lay rows of ids side by side, padded at their ends, on the model's device."""
    side = stream([[np.asarray(row)] for row in rows], max(map(len, rows), default=1), pad=0)
    placed = place(Batch(side, None, {}), transformer.tokens.weight.device).enc
    assert placed is not None
    return placed
