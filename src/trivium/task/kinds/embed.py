"""Vectors of texts: texts that belong together have near vectors."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from trivium import api
from trivium.base.config import dump
from trivium.base.errors import ConfigError
from trivium.base.log import warn
from trivium.base.types import Example
from trivium.data.rows import GroupRows, Rows
from trivium.model.layer.head import Head
from trivium.model.layer.score import SentenceEmbedding
from trivium.model.vectors import Vectors
from trivium.rows.kinds.group import TextGroup
from trivium.rows.kinds.text import LabelledText
from trivium.rows.notes import Notes
from trivium.rows.read import RowReading, read
from trivium.task.metric.ranking import ranking_metrics
from trivium.task.task import Paths, RecordTask
from trivium.train.recipe import Recipe


class EmbedTask(RecordTask, kind="embed"):
    """One vector a text, learned from pairs and triplets; the trained model keeps the head that it had."""

    objective: ClassVar = "contrast"
    record: ClassVar = TextGroup
    head: ClassVar = SentenceEmbedding
    defaults: ClassVar = {"optim": {"lr": 3e-4}, "budget_epochs": 3, "batch_tokens": 8192, "micro_rows": 64}

    def fields(self, recipe: Recipe, model: api.Model) -> dict[str, Any]:
        asked, head = recipe.objective.pool, model.config.head  # type: ignore[attr-defined]
        if not isinstance(head, SentenceEmbedding) or not head.dense:
            return {"pool": asked or Vectors.of(model.record).pool}
        if asked not in (None, head.pool):
            raise ConfigError(f"objective.pool: the model's layers after pooling read {', '.join(head.pool)}")
        return {}

    def head_of(self, model: api.Model) -> Head:
        return model.config.head

    def rows(self, model: api.Model, groups: Sequence[Sequence[Example]], recipe: Recipe, length: int) -> Rows:
        return GroupRows(groups)

    def open(
        self, model: api.Model, paths: Paths, recipe: Recipe, length: int, notes: Notes | None = None
    ) -> tuple[Rows, Counter[str]]:
        how = Vectors.of(model.record)
        if how.prompt is not None:
            warn(f"the prompt {how.prefix(None)!r} of the model is not put in front of the texts of rows")
        return super().open(model, paths, recipe, length, notes)

    def longest(self, model: api.Model) -> int | None:
        return Vectors.of(model.record).length

    def finish(self, model: api.Model, before: api.Model) -> None:
        how = Vectors.of(before.record).replace(pool=model.config.head.pool)  # type: ignore[attr-defined]
        before.transformer.load_state_dict(model.transformer.state_dict(), strict=False)
        model.transformer, model.record = before.transformer, {**model.record, "vectors": dump(how)}

    def answers(self, model: api.Model, records: Sequence[TextGroup]) -> list[Any]:
        """Return the vectors of each anchor and its positive."""
        anchors, positives = (model.embed([getattr(one, key) for one in records]) for key in ("anchor", "positive"))
        return list(zip(anchors, positives, strict=True))

    def metrics(self, model: api.Model, records: Sequence[TextGroup], answers: Sequence[Any]) -> dict[str, Any]:
        anchors, positives = (torch.stack(side) for side in zip(*answers, strict=True))
        asked, found = np.array([one.anchor for one in records]), np.array([one.positive for one in records])
        # The row number stands for a label that is missing, for it is equal to no other.
        labels = np.array(
            [f"row {i}" if one.label is None else f"label {one.label}".strip() for i, one in enumerate(records)]
        )
        right = np.logical_or.reduce([key[:, None] == key for key in (asked, found, labels)])
        return ranking_metrics((anchors @ positives.T).numpy(), right, asked[:, None] == found)

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        """Yield the vector of each text."""
        notes = Notes(words=False)
        texts = [text for _, text in read(lambda one: one.text, paths, reading, kind=LabelledText, notes=notes)]
        notes.tell()
        for text, vector in zip(texts, model.embed(texts), strict=True):
            yield {"text": text, "vector": [round(value, 6) for value in vector.tolist()]}
