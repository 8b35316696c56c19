"""Preference between two answers (direct preference optimisation)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trivium import api
from trivium.base.batch import collate
from trivium.base.errors import DataError
from trivium.base.folder import is_hub
from trivium.base.types import Example
from trivium.data.rows import GroupRows, Rows
from trivium.model.device import evaluating, place
from trivium.rows.kinds.preference import Preference
from trivium.task.task import RecordTask
from trivium.train.loss.prefer import log_likelihoods
from trivium.train.recipe import Recipe

ROWS = 8


class PreferTask(RecordTask, kind="prefer"):
    """Pairs of answers: the chosen one becomes likelier than the rejected one, compared with the reference model."""

    objective: ClassVar = "prefer"
    record: ClassVar = Preference
    defaults: ClassVar = {"optim": {"lr": 2e-5}, "budget_epochs": 1, "batch_tokens": 4096, "micro_rows": 8}

    def rows(self, model: api.Model, groups: Sequence[Sequence[Example]], recipe: Recipe, length: int) -> Rows:
        """Return pairs whose target is the margin of the model as it is now, the reference."""
        return GroupRows([with_margin(*both) for both in zip(groups, margins(model, groups), strict=True)])

    def answers(self, model: api.Model, records: Sequence[Preference]) -> list[float | None]:
        """Return the margin of each pair in nats; None where it is longer than the context."""
        pairs = [one.examples(model.layout(), None, None, Counter()) for one in records]
        found = iter(margins(model, [pair for pair in pairs if pair]))
        return [next(found) if pair else None for pair in pairs]

    def metrics(self, model: api.Model, records: Sequence[Preference], answers: Sequence[Any]) -> dict[str, Any]:
        found = np.array([margin for margin in answers if margin is not None])
        if not len(found):
            raise DataError("no pair of answers fits the context of the model")
        scores = {"rows": len(found), "accuracy": float((found > 0).mean()), "margin": float(found.mean())}
        if (began := reference(model)) is None:
            return scores
        gained = found - np.array([margin for margin in self.answers(began, records) if margin is not None])
        return scores | {"reward_accuracy": float((gained > 0).mean()), "reward_margin": float(gained.mean())}

    def line(self, record: Preference, answer: Any) -> dict[str, Any]:
        return {"prompt": record.messages[0][-1].content, "margin": answer}


def with_margin(pair: Sequence[Example], margin: float) -> list[Example]:
    """Return a pair with the margin of the reference model as its target."""
    chosen, rejected = pair
    return [replace(chosen, targets={**chosen.targets, "margin": np.array(margin, dtype=np.float32)}), rejected]


def reference(model: api.Model) -> api.Model | None:
    """Return the model that training began with; None if its folder is gone, or the task was another one."""
    recipe = model.record.get("recipe") or {}
    init = recipe.get("init")
    if (recipe.get("objective") or {}).get("kind") != "prefer" or not init:
        return None
    if not (is_hub(init) or Path(init).is_dir()):
        return None
    return api.load(init, device=model.transformer.tokens.weight.device)


def margins(model: api.Model, pairs: Sequence[Sequence[Example]]) -> list[float]:
    """Return log p(chosen) - log p(rejected) of each pair, in nats."""
    transformer, found = model.transformer, []
    device = transformer.tokens.weight.device
    with evaluating(transformer):
        for at in range(0, len(pairs), ROWS):
            batch = place(collate([list(pair) for pair in pairs[at : at + ROWS]], pad=0), device)
            likely = log_likelihoods(transformer.head, transformer(batch), batch)
            found += (likely[0::2] - likely[1::2]).tolist()
    return found
