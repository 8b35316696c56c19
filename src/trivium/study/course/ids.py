"""Rows of made ids for lessons: their loss, without files, tokenizer or trainer."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from trivium.infer.padding import batched
from trivium.model.transformer import Transformer


def loss(transformer: Transformer, ids: Int[Tensor, "B T"], first: int = 1) -> Float[Tensor, ""]:
    """Return the mean loss of a decoder on the next token of rows, from the token `first` on."""
    logits = transformer.logits(transformer(batched(transformer, ids[:, :-1], None, None, None, None)))
    return F.cross_entropy(logits[:, first - 1 :].flatten(0, 1), ids[:, first:].flatten())


def repeated(count: int, half: int, size: int, generator: torch.Generator) -> Int[Tensor, "B T"]:
    """Return rows of `half` random ids below `size` that stand twice."""
    return torch.randint(0, size, (count, half), generator=generator).repeat(1, 2)
