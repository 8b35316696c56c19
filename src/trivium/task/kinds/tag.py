"""What each word of a text is called: names, parts of speech."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

from trivium import api
from trivium.base.errors import DataError, ModelError
from trivium.base.types import Example
from trivium.data.rows import ExampleRows
from trivium.infer.score import scores
from trivium.model.layer.score import TokenClassification
from trivium.objective.label import TagObjective as Objective
from trivium.rows import example as labelled
from trivium.rows.labelled import Words, read
from trivium.rows.row import RowReading
from trivium.task.metric.label import entity_metrics
from trivium.task.task import Paths, Task
from trivium.train.recipe import Recipe


class TagTask(Task, kind="tag"):
    """One label for every word, at its first token."""

    objective: ClassVar[str] = "tag"
    defaults: ClassVar[dict[str, Any]] = {"optim": {"lr": 5e-4}, "budget_epochs": 5, "batch_tokens": 2048}

    def equip(self, model: api.Model, recipe: Recipe) -> None:
        assert isinstance(recipe.objective, Objective)
        rows = read(Words, recipe.data.path, recipe.data.rows, Counter())
        found = recipe.objective.labels or labelled.names(str(tag) for _, one in rows for tag in one.tags)
        if len(found) < 2:
            raise DataError(
                f"{', '.join(map(str, recipe.data.path))}: expected at least two tags, "
                f"found {', '.join(found) or 'none'}"
            )
        if not (isinstance(model.config.head, TokenClassification) and model.config.head.labels == found):
            model.equip("tag", found)

    def open(self, model: api.Model, paths: Paths, recipe: Recipe, length: int) -> tuple[ExampleRows, Counter[str]]:
        labels, layout, counts = head_of(model).labels, model.layout(length), Counter[str]()

        def make(where: str, one: Words) -> Example:
            if not one.tags:
                raise DataError(f"{where}: tags: expected one for each of {len(one.tokens)} tokens, found none")
            example, at = labelled.words(one, layout)
            if None in at:
                counts[labelled.CUT] += 1
            tags = [labelled.numbered(labels, str(tag), where) for tag in one.tags]
            return labelled.tagged(example, at, tags)

        rows = read(Words, paths, recipe.data.rows, counts)
        made = labelled.each(rows, make, recipe.data.rows.skip_bad, counts)
        return ExampleRows([[one] for one in made], length, recipe.seed, recipe.data.packing), counts

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        rows = [one for _, one in read(Words, paths, reading)]
        return entity_metrics(_tags(model, rows), [[str(tag) for tag in one.tags] for one in rows])

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        rows = [one for _, one in read(Words, paths, reading)]
        for one, tags in zip(rows, _tags(model, rows), strict=True):
            yield {"tokens": list(one.tokens), "tags": tags}


def head_of(model: api.Model) -> TokenClassification:
    """The model's head; one without is a ModelError."""
    if not isinstance(model.config.head, TokenClassification):
        raise ModelError("this model has no head that tags; `trivium finetune tag` makes one")
    return model.config.head


def _tags(model: api.Model, rows: list[Words]) -> list[list[str]]:
    """The likeliest tag of each word; words beyond the context are outside of everything."""
    labels, layout = head_of(model).labels, model.layout()
    outside = "O" if "O" in labels else labels[0]
    laid = [labelled.words(one, layout) for one in rows]
    found = scores(model.transformer, [example for example, _ in laid])
    return [
        [outside if place is None else labels[int(row[place].argmax())] for place in at]
        for row, (_, at) in zip(found, laid, strict=True)
    ]
