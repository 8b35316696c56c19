"""Vectors by which texts are found: what belongs together lies together."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from trivium import api
from trivium.model.layer.score import SentenceEmbedding
from trivium.model.transformer import Transformer
from trivium.objective.label import ContrastObjective
from trivium.rows import example as labelled
from trivium.rows.example import GroupRows
from trivium.rows.labelled import Group, Text, read
from trivium.rows.row import RowReading
from trivium.task.metric.ranking import ranking_metrics
from trivium.task.task import Paths, Task
from trivium.train.recipe import Recipe


class EmbedTask(Task, kind="embed"):
    """One vector a text, learned from pairs and triplets; the model keeps the head that it had."""

    objective: ClassVar[str] = "contrast"
    defaults: ClassVar[dict[str, Any]] = {
        "optim": {"lr": 3e-4},
        "budget_epochs": 3,
        "batch_tokens": 8192,
        "micro_rows": 64,
    }

    def equip(self, model: api.Model, recipe: Recipe) -> None:
        assert isinstance(recipe.objective, ContrastObjective)
        model.equip("embed", pool=recipe.objective.pool or model.record.get("pool"))

    def open(self, model: api.Model, paths: Paths, recipe: Recipe, length: int) -> tuple[GroupRows, Counter[str]]:
        layout, counts = model.layout(length), Counter[str]()
        rows = read(Group, paths, recipe.data.rows, counts)
        return GroupRows([labelled.group(one, layout, counts) for _, one in rows]), counts

    def finish(self, model: api.Model, before: Transformer) -> None:
        head = model.config.head
        assert isinstance(head, SentenceEmbedding)
        before.load_state_dict(model.transformer.state_dict(), strict=False)
        model.transformer, model.record = before, {**model.record, "pool": head.pool}

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        rows = [one for _, one in read(Group, paths, reading)]
        anchors = model.embed([one.anchor for one in rows])
        # Without labels a row is of its own kind, and what belongs to it is its own positive alone.
        kinds = [str(i) if one.label is None else str(one.label) for i, one in enumerate(rows)]
        scores = (anchors @ model.embed([one.positive for one in rows]).T).numpy()
        same = np.array([one.anchor for one in rows])[:, None] == np.array([one.positive for one in rows])
        return ranking_metrics(scores, kinds, same)

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        rows = [one for _, one in read(Text, paths, reading)]
        for one, vector in zip(rows, model.embed([one.text for one in rows]), strict=True):
            yield {"text": one.text, "vector": [round(value, 6) for value in vector.tolist()]}
