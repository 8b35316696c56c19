"""Where in its context a question is answered, or that it is not (SQuAD v1 and v2)."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from trivium import api
from trivium.base.errors import ModelError
from trivium.base.types import Example
from trivium.data.rows import ExampleRows
from trivium.infer.score import scores
from trivium.model.layer.score import QuestionAnswering
from trivium.objective.label import SpanObjective as Objective
from trivium.rows import example as labelled
from trivium.rows.labelled import Question, read
from trivium.rows.row import RowReading
from trivium.task import words
from trivium.task.metric.squad import squad_metrics
from trivium.task.task import Paths, Task
from trivium.train.recipe import Recipe


class ExtractTask(Task, kind="extract"):
    """The best pair of first and last token over all windows of a context."""

    objective: ClassVar[str] = "span"
    defaults: ClassVar[dict[str, Any]] = {"optim": {"lr": 5e-4}, "budget_epochs": 5, "batch_tokens": 2048}

    def equip(self, model: api.Model, recipe: Recipe) -> None:
        if not isinstance(model.config.head, QuestionAnswering):
            model.equip("span", ("start", "end"))

    def open(self, model: api.Model, paths: Paths, recipe: Recipe, length: int) -> tuple[ExampleRows, Counter[str]]:
        assert isinstance(recipe.objective, Objective)
        layout, counts, objective = model.layout(length), Counter[str](), recipe.objective

        def make(where: str, one: Question) -> list[Example]:
            found = labelled.answered(one, objective.unanswerable, where)
            some = [labelled.located(one, window) for window in labelled.windows(one, layout, objective.stride)]
            if found and not any(int(example.targets["end"]) for example in some):
                counts["its answer is in no window"] += 1
                return []
            return some

        rows = read(Question, paths, recipe.data.rows, counts)
        made = [one for some in labelled.each(rows, make, recipe.data.rows.skip_bad, counts) for one in some]
        return ExampleRows([[one] for one in made], length, recipe.seed, recipe.data.packing), counts

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        if words.writes(model):
            return words.answer_scores(model, paths, reading)
        rows = [one for _, one in read(Question, paths, reading)]
        return squad_metrics([answer for answer, _ in _answers(model, rows)], [one.answers.text for one in rows])

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        if words.writes(model):
            for one, answer in words.answer_rows(model, paths, reading):
                yield {"id": one.id, "question": one.question, "answer": answer}
            return
        rows = [one for _, one in read(Question, paths, reading)]
        for one, (answer, score) in zip(rows, _answers(model, rows), strict=True):
            yield {"id": one.id, "question": one.question, "answer": answer, "score": round(score, 6)}


def _answers(model: api.Model, rows: list[Question]) -> list[tuple[str, float]]:
    """(answer, how much better than none) of each question; an empty text where none is better."""
    if not isinstance(model.config.head, QuestionAnswering):
        raise ModelError("this model has no head that finds answers; `trivium finetune extract` makes one")
    asked, layout = objective_of(model), model.layout()
    windows = [list(labelled.windows(one, layout, asked.stride)) for one in rows]
    found = iter(scores(model.transformer, [window.example for some in windows for window in some]))
    answers = []
    for one, some in zip(rows, windows, strict=True):
        tried = [(*_best(next(found), window, asked.longest), window) for window in some]
        nowhere = min(none for _, _, _, none, _ in tried)
        score, start, end, _, window = max(tried, key=lambda each: each[0])
        if asked.unanswerable and score <= nowhere:
            answers.append(("", score - nowhere))
            continue
        begin, stop = window.places[start - window.first, 0], window.places[end - window.first, 1]
        answers.append((one.context[begin:stop], score - nowhere))
    return answers


def _best(row: Tensor, window: labelled.ContextWindow, longest: int) -> tuple[float, int, int, float]:
    """(score, first token, last token) of the best span within the context, and the score of none."""
    inside = row[window.first : window.first + len(window.places)]
    sums = inside[:, :1] + inside[None, :, 1]  # start by end
    allowed = torch.ones_like(sums, dtype=torch.bool).triu().tril(longest - 1)
    best = int(sums.masked_fill(~allowed, float("-inf")).argmax())
    start, end = divmod(best, len(inside))
    return float(sums[start, end]), window.first + start, window.first + end, float(row[0].sum())


def objective_of(model: api.Model) -> Objective:
    """How the model was trained to read, as its folder says."""
    recorded = model.record.get("recipe", {}).get("objective", {})
    return Objective.model_validate(
        {key: value for key, value in recorded.items() if key != "kind"} if recorded.get("kind") == "span" else {}
    )
