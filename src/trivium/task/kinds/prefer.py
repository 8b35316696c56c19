"""Which of two answers a model would rather give (direct preference optimisation)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from trivium import api
from trivium.base.batch import collate
from trivium.base.errors import DataError, ModelError
from trivium.base.types import Example
from trivium.model.device import place
from trivium.model.layer.head import LM
from trivium.model.mode import evaluating
from trivium.rows import example as labelled
from trivium.rows.example import GroupRows
from trivium.rows.labelled import Better, read
from trivium.rows.row import RowReading
from trivium.task.task import Paths, Task
from trivium.train.loss.prefer import log_likelihoods
from trivium.train.recipe import Recipe

ROWS = 8


class PreferTask(Task, kind="prefer"):
    """Pairs of answers, the chosen one to become likelier than the rejected one, beside the model it began as."""

    objective: ClassVar[str] = "prefer"
    defaults: ClassVar[dict[str, Any]] = {
        "optim": {"lr": 2e-5},
        "budget_epochs": 1,
        "batch_tokens": 4096,
        "micro_rows": 8,
    }

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
        made = [labelled.better(one, layout) for _, one in read(Better, paths, reading)]
        pairs = [pair for pair in made if pair is not None]
        if not pairs:
            raise DataError("no pair of answers fits the model's context")
        found = margins(model, pairs)
        scores = {"rows": len(pairs), "accuracy": share(found), "margin": sum(found) / len(pairs)}
        if (began := reference(model)) is None:
            return scores
        gained = [after - before for after, before in zip(found, margins(began, pairs), strict=True)]
        return scores | {"reward_accuracy": share(gained), "reward_margin": sum(gained) / len(pairs)}

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        layout = model.layout()
        for _, one in read(Better, paths, reading):
            pair = labelled.better(one, layout)
            margin = margins(model, [pair])[0] if pair is not None else None
            yield {"prompt": one.messages[0][-1].content, "margin": margin}


def share(margins: Sequence[float]) -> float:
    """How often the chosen answer is ahead."""
    return sum(margin > 0 for margin in margins) / len(margins)


def reference(model: api.Model) -> api.Model | None:
    """The model that a preferring one began as, where its folder is still there."""
    recipe = model.record.get("recipe") or {}
    init = recipe.get("init")
    if (recipe.get("objective") or {}).get("kind") != "prefer" or not init or not Path(init).is_dir():
        return None
    return api.load(init, device=model.transformer.tokens.weight.device)


def margins(model: api.Model, pairs: Sequence[Sequence[Example]]) -> list[float]:
    """log p(chosen) - log p(rejected) of each pair, in nats."""
    if not isinstance(model.config.head, LM):
        raise ModelError("prefer compares answers that a model would write, and this one does not write")
    transformer, found = model.transformer, []
    device = transformer.tokens.weight.device
    with evaluating(transformer):
        for at in range(0, len(pairs), ROWS):
            batch = place(collate([list(pair) for pair in pairs[at : at + ROWS]], pad=0), device)
            likely = log_likelihoods(transformer.head, transformer(batch), batch)
            found += (likely[0::2] - likely[1::2]).tolist()
    return found
