"""Tags of words: names of people and places, parts of speech."""

from collections.abc import Sequence
from typing import Any, ClassVar

from trivium import api
from trivium.base.log import say
from trivium.infer.read import scores
from trivium.model.layer.score import TokenClassification
from trivium.rows.kinds.tagged import TaggedWords
from trivium.task.kinds.classify import labels_of
from trivium.task.metric.entity import Scheme, entity_metrics, scheme_of
from trivium.task.metric.label import warn_of_one_class
from trivium.task.task import RecordTask
from trivium.train.recipe import Recipe


class TagTask(RecordTask, kind="tag"):
    """One label for every word, at its first token."""

    objective: ClassVar = "tag"
    record: ClassVar = TaggedWords
    head: ClassVar = TokenClassification
    defaults: ClassVar = {"optim": {"lr": 5e-4}, "budget_epochs": 5, "batch_tokens": 2048}
    scheme: Scheme | None = None
    """The rules by which tags join words to entities; None finds them from the tags."""

    def fields(self, recipe: Recipe, model: api.Model) -> dict[str, Any]:
        rows = self.records(recipe.data.path, recipe.data.rows)
        return {"labels": labels_of(recipe, (name for one in rows for name in one.names))}

    def check(self, model: api.Model, record: TaggedWords) -> None:
        record.right()

    def answers(self, model: api.Model, records: Sequence[TaggedWords]) -> list[list[str]]:
        """Return the likeliest tag of each word; a word beyond the context is outside of every entity."""
        labels, layout = model.config.head.labels, model.layout()  # type: ignore[attr-defined]
        outside = "O" if "O" in labels else labels[0]
        laid = [one.laid(layout) for one in records]
        found = scores(model.transformer, [example for example, _ in laid])
        return [
            [outside if place is None else labels[int(row[place].argmax())] for place in at]
            for row, (_, at) in zip(found, laid, strict=True)
        ]

    def metrics(self, model: api.Model, records: Sequence[TaggedWords], answers: Sequence[Any]) -> dict[str, Any]:
        right = [one.names for one in records]
        warn_of_one_class([[tag] for tags in answers for tag in tags], [[tag] for tags in right for tag in tags])
        scheme = self.scheme or scheme_of(right)
        say(f"entities are read by the tag scheme {scheme}" + ("" if self.scheme else "; task.scheme= names another"))
        return {**entity_metrics(answers, right, scheme), "scheme": scheme}

    def line(self, record: TaggedWords, answer: Any) -> dict[str, Any]:
        return {"tokens": list(record.tokens), "tags": answer}
