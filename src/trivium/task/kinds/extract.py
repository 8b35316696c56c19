"""Answers to questions as spans of a context, or no answer (SQuAD v1 and v2)."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from trivium import api
from trivium.base.config import parse
from trivium.infer.read import scores
from trivium.model.layer.score import QuestionAnswering
from trivium.objective.objective import Objective
from trivium.objective.records import SpanObjective
from trivium.rows.kinds.squad import UNANSWERABLE, ContextWindow, Squad
from trivium.task.metric.squad import squad_metrics
from trivium.task.task import RecordTask


class ExtractTask(RecordTask, kind="extract"):
    """The best pair of first and last token over all windows of a context."""

    objective: ClassVar = "span"
    record: ClassVar = Squad
    head: ClassVar = QuestionAnswering
    defaults: ClassVar = {"optim": {"lr": 5e-4}, "budget_epochs": 5, "batch_tokens": 2048}

    def answers(self, model: api.Model, records: Sequence[Squad]) -> list[Any]:
        """Return the answer to each question, empty where none is better, and how much better than none it scores."""
        asked, layout = objective_of(model), model.layout()
        windows = [list(one.windows(layout, asked.stride)) for one in records]
        found = iter(scores(model.transformer, [window.example for some in windows for window in some]))
        answers = []
        for one, some in zip(records, windows, strict=True):
            tried = [(*best_span(next(found), window, asked.longest), window) for window in some]
            none = min(score for _, _, _, score, _ in tried)
            score, start, end, _, window = max(tried, key=lambda each: each[0])
            text = one.context[window.places[start, 0] : window.places[end, 1]]
            answers.append(
                {"answer": "" if asked.unanswerable and score <= none else text, "score": round(score - none, 6)}
            )
        return answers

    def heard(self, record: Squad, text: str) -> Any:
        return {"answer": "" if text.strip() == UNANSWERABLE else text.strip()}

    def metrics(self, model: api.Model, records: Sequence[Squad], answers: Sequence[Any]) -> dict[str, Any]:
        said, contexts = [one["answer"] for one in answers], [one.context for one in records]
        return squad_metrics(said, [one.texts for one in records], contexts)

    def line(self, record: Squad, answer: Any) -> dict[str, Any]:
        return {"id": record.id, "question": record.question, **answer}


def best_span(row: Tensor, window: ContextWindow, longest: int) -> tuple[float, int, int, float]:
    """Return the score, first and last token (counted in the context) of the best span, and the score of no answer."""
    inside = row[window.first : window.first + len(window.places)]
    sums = inside[:, :1] + inside[None, :, 1]  # start by end
    allowed = torch.ones_like(sums, dtype=torch.bool).triu().tril(longest - 1)
    start, end = divmod(int(sums.masked_fill(~allowed, float("-inf")).argmax()), len(inside))
    return float(sums[start, end]), start, end, float(row[0].sum())


def objective_of(model: api.Model) -> SpanObjective:
    """Return the objective by which the model was trained, as its folder says; by default a new one."""
    recorded: Any = (model.record.get("recipe") or {}).get("objective") or {}
    found = parse(Objective, recorded, "trivium.json") if recorded.get("kind") == "span" else None
    return found if isinstance(found, SpanObjective) else SpanObjective()
