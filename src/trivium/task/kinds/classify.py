"""What a text, or a pair of texts, is called."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from trivium import api
from trivium.base.errors import DataError, ModelError
from trivium.base.types import Example
from trivium.data.rows import ExampleRows
from trivium.model.layer.score import SequenceClassification
from trivium.objective.label import LabelObjective
from trivium.rows import example as labelled
from trivium.rows.labelled import Text, read
from trivium.rows.row import RowReading
from trivium.task import words
from trivium.task.metric.label import label_metrics
from trivium.task.task import Paths, Task
from trivium.train.recipe import Recipe


class ClassifyTask(Task, kind="classify"):
    """One label of several, or any number of them, through the head of the family's stock class."""

    objective: ClassVar[str] = "label"
    defaults: ClassVar[dict[str, Any]] = {"optim": {"lr": 5e-4}, "budget_epochs": 5, "batch_tokens": 2048}

    def equip(self, model: api.Model, recipe: Recipe) -> None:
        assert isinstance(recipe.objective, LabelObjective)
        rows = [one for _, one in read(Text, recipe.data.path, recipe.data.rows, Counter()) if one.label is not None]
        found = recipe.objective.labels or labelled.names(label for one in rows for label in one.labels)
        if len(found) < 2:
            raise DataError(
                f"{', '.join(map(str, recipe.data.path))}: expected at least two labels, "
                f"found {', '.join(found) or 'none'}"
            )
        multi_label = any(isinstance(one.label, tuple) for one in rows)
        head = model.config.head
        if not (isinstance(head, SequenceClassification) and head.labels == found and head.multi_label == multi_label):
            model.equip("classify", found, multi_label=multi_label)

    def open(self, model: api.Model, paths: Paths, recipe: Recipe, length: int) -> tuple[ExampleRows, Counter[str]]:
        head, layout, counts = head_of(model), model.layout(length), Counter[str]()

        def make(where: str, one: Text) -> Example:
            label = labelled.target(one, head.labels, head.multi_label, where)
            return replace(labelled.text(one, layout, counts), targets={"label": label})

        rows = read(Text, paths, recipe.data.rows, counts)
        made = labelled.each(rows, make, recipe.data.rows.skip_bad, counts)
        return ExampleRows([[one] for one in made], length, recipe.seed, recipe.data.packing), counts

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        if words.writes(model):
            return words.label_scores(model, paths, reading)
        head = head_of(model)
        rows = list(read(Text, paths, reading))
        for where, one in rows:
            labelled.target(one, head.labels, head.multi_label, where)
        found = [chosen(row, head.multi_label) for row in model.classify([one.texts for _, one in rows])]
        return label_metrics(found, [one.labels for _, one in rows], head.labels)

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        if words.writes(model):
            for one, labels in words.label_rows(model, paths, reading):
                yield {"text": one.text, "label": list(labels) if isinstance(one.label, tuple) else labels[0]}
            return
        multi_label = head_of(model).multi_label
        rows = [one for _, one in read(Text, paths, reading)]
        for one, row in zip(rows, model.classify([one.texts for one in rows]), strict=True):
            best = sorted(row.items(), key=lambda item: -item[1])[:5]
            said = chosen(row, multi_label)
            yield {
                "text": one.text,
                "label": list(said) if multi_label else said[0],
                "scores": {label: round(score, 6) for label, score in best},
            }


def chosen(scores: dict[str, float], multi_label: bool) -> tuple[str, ...]:
    """The likeliest label, or every one that rather holds than not."""
    if multi_label:
        return tuple(label for label, score in scores.items() if score > 0.5)
    return (max(scores, key=lambda label: scores[label]),)


def head_of(model: api.Model) -> SequenceClassification:
    """The model's head; one without is a ModelError."""
    if not isinstance(model.config.head, SequenceClassification):
        raise ModelError("this model has no head that classifies; `trivium finetune classify` makes one")
    return model.config.head
