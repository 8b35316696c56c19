"""Which of two answers a model would rather give (direct preference optimisation)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch

from trivium import api
from trivium.base.batch import collate
from trivium.base.errors import DataError, ModelError
from trivium.base.types import Example
from trivium.data import labelled
from trivium.data.labelled import GroupRows
from trivium.model.device import place
from trivium.model.head import LM
from trivium.task.task import Paths, Task
from trivium.text.labelled import Better, read
from trivium.text.row import RowReading
from trivium.train.compare import log_likelihoods
from trivium.train.recipe import Recipe

ROWS = 8


class PreferTask(Task, kind="prefer"):
    """Pairs of answers, the chosen one to become likelier than the rejected one, beside the model it began as."""

    objective: ClassVar[str] = "prefer"
    defaults: ClassVar[dict[str, Any]] = {
        "optim": {"lr": 2e-5}, "budget_epochs": 1, "batch_tokens": 4096, "micro_rows": 8,
    }  # fmt: skip

    def open(self, model: api.Model, paths: Paths, recipe: Recipe, length: int) -> tuple[GroupRows, Counter[str]]:
        layout, counts = model.layout(length), Counter[str]()
        pairs = [labelled.better(one, layout) for _, one in read(Better, paths, recipe.data.rows, counts)]
        kept = [pair for pair in pairs if pair is not None]
        if lost := len(pairs) - len(kept):
            counts[f"longer than {length} tokens"] += lost
        reference = margins(model, kept)
        return GroupRows([labelled.with_margin(*both) for both in zip(kept, reference, strict=True)]), counts

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        layout = model.layout()
        pairs = [labelled.better(one, layout) for _, one in read(Better, paths, reading)]
        found = margins(model, [pair for pair in pairs if pair is not None])
        if not found:
            raise DataError("no pair of answers fits the model's context")
        return {"rows": len(found), "accuracy": sum(margin > 0 for margin in found) / len(found),
                "margin": sum(found) / len(found)}  # fmt: skip

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        layout = model.layout()
        for _, one in read(Better, paths, reading):
            pair = labelled.better(one, layout)
            margin = margins(model, [pair])[0] if pair is not None else None
            yield {"prompt": one.messages[0][-1].content, "margin": margin}


@torch.inference_mode()
def margins(model: api.Model, pairs: Sequence[Sequence[Example]]) -> list[float]:
    """log p(chosen) - log p(rejected) of each pair, in nats."""
    if not isinstance(model.config.head, LM):
        raise ModelError("prefer compares answers that a model would write, and this one does not write")
    transformer, found = model.transformer, []
    training, device = transformer.training, transformer.tokens.weight.device
    transformer.eval()
    for at in range(0, len(pairs), ROWS):
        batch = place(collate([list(pair) for pair in pairs[at : at + ROWS]], pad=0), device)
        likely = log_likelihoods(transformer.head, transformer(batch), batch)
        found += (likely[0::2] - likely[1::2]).tolist()
    transformer.train(training)
    return found
