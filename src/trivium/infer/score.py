"""The scores that the head of a task gives to laid texts. Knows Examples only."""

from collections.abc import Sequence

import torch
from torch import Tensor

from trivium.base.batch import collate
from trivium.base.types import Example
from trivium.infer.padding import by_length
from trivium.model.device import place
from trivium.model.layer.score import pooled
from trivium.model.mode import evaluating
from trivium.model.transformer import Transformer

BATCH_ROWS = 32


def scores(transformer: Transformer, examples: Sequence[Example], rows: int = BATCH_ROWS) -> list[Tensor]:
    """Return the head's scores of each example, float32 on the CPU: [C] if the head pools a text, else [T, C]."""
    device, pool = transformer.tokens.weight.device, getattr(transformer.config.head, "pool", None)
    found: list[Tensor] = [torch.empty(0)] * len(examples)
    with evaluating(transformer):
        for some in by_length(examples, rows):
            batch = place(collate([[examples[index]] for index in some], pad=0), device)
            hidden = transformer(batch)
            if pool is not None:
                texts = list(pooled(hidden, batch.stream, pool))
            else:
                texts = [row[: len(examples[index])] for index, row in zip(some, hidden, strict=True)]
            for index, text in zip(some, texts, strict=True):
                found[index] = transformer.head(text).float().cpu()
    return found
