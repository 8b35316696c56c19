"""Classification of texts, of pairs of texts, or of pictures where the model reads them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from trivium import api
from trivium.base.errors import DataError
from trivium.base.log import warn
from trivium.model.layer.head import Head
from trivium.model.layer.score import PROBLEMS, SequenceClassification
from trivium.rows.cell import separator_of
from trivium.rows.kinds.picture import LabelledPicture
from trivium.rows.kinds.text import Labelled, LabelledText, in_order, parted
from trivium.task.metric.label import label_metrics, warn_of_one_class
from trivium.task.task import RecordTask
from trivium.train.recipe import Recipe

OTHER = "(something else)"
"""The column of the confusion matrix for a text that a model writes and that is no label."""
SHOWN = 5
"""Labels whose scores are told."""


class ClassifyTask(RecordTask, kind="classify"):
    """One label for each text or picture, or any number of labels where rows have lists of them."""

    objective: ClassVar = "label"
    record: ClassVar = LabelledText
    head: ClassVar = SequenceClassification
    labels: ClassVar = " with several labels"
    defaults: ClassVar = {"optim": {"lr": 5e-4}, "budget_epochs": 5, "batch_tokens": 2048}

    @classmethod
    def suits(cls, head: Head) -> bool:
        return isinstance(head, SequenceClassification) and not head.single

    def record_of(self, model: api.Model) -> type[Labelled]:
        return self.record if model.config.pictures is None else LabelledPicture

    def fields(self, recipe: Recipe, model: api.Model) -> dict[str, Any]:
        rows = self.records(recipe.data.path, recipe.data.rows, self.record_of(model))
        labels = labels_of(recipe, (label for one in rows for label in one.labels))
        multi_label = any(isinstance(one.label, tuple) for one in rows)
        if not multi_label and (separator := separator_of(label for one in rows for label in one.labels)):
            found = f"{', '.join(recipe.data.path)}: labels seem to be separated by {separator!r} in one cell"
            warn(f"{found}; data.rows.separator={json.dumps(separator)} reads them as lists")
        return {"labels": labels, "problem_type": PROBLEMS[multi_label]}

    def check(self, model: api.Model, record: Labelled) -> None:
        head: Any = model.config.head
        record.target(head.labels, head.multi_label)

    def answers(self, model: api.Model, records: Sequence[Any]) -> list[Any]:
        multi_label = model.config.head.multi_label  # type: ignore[attr-defined]
        found = []
        pictures = model.config.pictures is not None
        for scores in model.classify([one.image if pictures else one.texts for one in records]):
            best = sorted(scores.items(), key=lambda item: -item[1])
            label = [name for name, score in scores.items() if score > 0.5] if multi_label else best[0][0]
            found.append({"label": label, "scores": {name: round(score, 6) for name, score in best[:SHOWN]}})
        return found

    def heard(self, record: LabelledText, text: str) -> Any:
        if not isinstance(record.label, tuple):
            return {"label": text.strip()}
        return {"label": parted(text)}

    def metrics(self, model: api.Model, records: Sequence[Labelled], answers: Sequence[Any]) -> dict[str, Any]:
        right = [one.labels for one in records]
        known = in_order(label for labels in right for label in labels)
        known = known if self.in_words(model) else model.config.head.labels  # type: ignore[attr-defined]
        said = [[one["label"]] if isinstance(one["label"], str) else one["label"] for one in answers]
        found = [[name if name in known else OTHER for name in names] for names in said]
        warn_of_one_class(said, right)
        return label_metrics(found, right, known, OTHER)

    def line(self, record: Any, answer: Any) -> dict[str, Any]:
        asked = {"image": record.image.name} if isinstance(record, LabelledPicture) else {"text": record.text}
        return {**asked, **answer}


def labels_of(recipe: Recipe, names: Iterable[str]) -> tuple[str, ...]:
    """Return the labels of the recipe, else those of the rows in order; fewer than two are a DataError."""
    found: tuple[str, ...] = recipe.objective.labels or in_order(names)  # type: ignore[attr-defined]
    if len(found) < 2:
        raise DataError(
            f"{', '.join(recipe.data.path)}: expected at least two labels, found {', '.join(found) or 'none'}"
        )
    return found
