"""What the head of a task makes of laid texts. Knows Examples only."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from trivium.base.batch import collate
from trivium.base.types import Example
from trivium.model.device import place
from trivium.model.layer.score import pooled
from trivium.model.transformer import Transformer

BATCH_ROWS = 32


@torch.inference_mode()
def scores(transformer: Transformer, examples: Sequence[Example], rows: int = BATCH_ROWS) -> list[Tensor]:
    """What the head says of each example, on the CPU: [C] where it reads a text as one, else [T, C]."""
    found: list[Tensor] = [torch.empty(0)] * len(examples)
    for index, hidden in states(transformer, examples, rows):
        found[index] = transformer.head(hidden).float().cpu()
    return found


@torch.inference_mode()
def states(
    transformer: Transformer, examples: Sequence[Example], rows: int = BATCH_ROWS
) -> Iterator[tuple[int, Tensor]]:
    """(index, states) of each example, those of like length together: [T, D], or [D] where the head pools them."""
    device, training = transformer.tokens.weight.device, transformer.training
    pool = getattr(transformer.config.head, "pool", None)
    order = sorted(range(len(examples)), key=lambda at: len(examples[at]))
    transformer.eval()
    try:
        for at in range(0, len(order), rows):
            some = order[at : at + rows]
            batch = place(collate([[examples[index]] for index in some], pad=0), device)
            hidden = transformer(batch)
            if pool is not None:
                yield from zip(some, pooled(hidden, batch.stream, pool), strict=True)
            else:
                yield from ((index, row[: len(examples[index])]) for index, row in zip(some, hidden, strict=True))
    finally:
        transformer.train(training)
