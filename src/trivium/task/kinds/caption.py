"""Texts about pictures: captions, printed lines, answers to questions."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from trivium import api
from trivium.base.log import watched
from trivium.base.types import Example
from trivium.data.rows import ExampleRows, Rows
from trivium.infer.beam import Beam
from trivium.rows.kinds.picture import PictureText
from trivium.task.answer import options_of
from trivium.task.metric.overlap import exact_match
from trivium.task.metric.reading import error_rates
from trivium.task.task import RecordTask
from trivium.train.recipe import Recipe

BATCH = 64
"""The pictures that are read side by side."""


class CaptionTask(RecordTask, kind="caption"):
    """What is written in a picture, what is in it, or the answer to a question about it."""

    objective: ClassVar = "caption"
    record: ClassVar = PictureText
    defaults: ClassVar = {"optim": {"lr": 1e-3, "weight_decay": 0.0}, "budget_epochs": 10, "batch_tokens": 4096}
    max_new_tokens: int = Field(64, ge=1)
    """The most tokens of a text."""
    beam: Beam = Beam(beams=1)
    """How a text is searched for; one beam takes the likeliest token at each step."""

    def check(self, model: api.Model, record: PictureText) -> None:
        if not record.texts:
            raise ValueError("text: expected one to measure by, found none")

    def rows(self, model: api.Model, groups: Sequence[Sequence[Example]], recipe: Recipe, length: int) -> Rows:
        """Return rows in which each epoch draws one of the right texts of a picture."""
        return ExampleRows(groups, length, recipe.seed, recipe.data.packing)

    def answers(self, model: api.Model, records: Sequence[PictureText]) -> list[str]:
        found: list[str] = []
        for at in watched(range(0, len(records), BATCH), "reading pictures", "batches"):
            some = records[at : at + BATCH]
            asked: Any = [one.question for one in some]
            images = [*map(model.reader, (one.image for one in some))]
            found += model.generate(asked, self.max_new_tokens, images=images, **options_of(self.beam))
        return found

    def metrics(self, model: api.Model, records: Sequence[PictureText], answers: Sequence[str]) -> dict[str, Any]:
        right = [one.texts for one in records]
        exact = [exact_match(answer, texts) for answer, texts in zip(answers, right, strict=True)]
        return {"rows": len(records), "exact_match": sum(exact) / len(exact), **error_rates(answers, right)}

    def line(self, record: PictureText, answer: Any) -> dict[str, Any]:
        asked = {"question": record.question} if record.question else {}
        return {"image": record.image.name, **asked, "text": answer}

    def options(self) -> dict[str, Any]:
        return {"max_new_tokens": self.max_new_tokens, **options_of(self.beam)}
