"""A score for each query and passage, read together (a cross-encoder), or a number for a text."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from trivium import api
from trivium.model.layer.head import Head
from trivium.model.layer.score import SequenceClassification
from trivium.rows.kinds.scored import ScoredPair, by_query
from trivium.task.metric.ranking import correlation_metrics, ranking_metrics
from trivium.task.task import RecordTask
from trivium.train.recipe import Recipe


class RerankTask(RecordTask, kind="rerank"):
    """One score for each row. Right passages are ranked among all passages of their query; other scores correlate."""

    objective: ClassVar = "relevance"
    record: ClassVar = ScoredPair
    head: ClassVar = SequenceClassification
    labels: ClassVar = " with one label"
    defaults: ClassVar = {"optim": {"lr": 5e-4}, "budget_epochs": 5, "batch_tokens": 2048}

    @classmethod
    def suits(cls, head: Head) -> bool:
        return isinstance(head, SequenceClassification) and head.single

    def fields(self, recipe: Recipe, model: api.Model) -> dict[str, Any]:
        old = model.config.head
        kept = old if isinstance(old, SequenceClassification) and old.single else None
        problem_type = recipe.objective.problem_type or (kept and kept.problem_type)  # type: ignore[attr-defined]
        if kept and kept.problem_type == problem_type:
            return {"labels": kept.labels}
        number = {"activation_fn": "identity"} if problem_type == "regression" else {}
        return {"labels": ("LABEL_0",), "problem_type": problem_type, **number}

    def longest(self, model: api.Model) -> int | None:
        return model.tokenizer.limit

    def check(self, model: api.Model, record: ScoredPair) -> None:
        record.number(any_number=True)

    def answers(self, model: api.Model, records: Sequence[ScoredPair]) -> list[Any]:
        return model.score([one.texts for one in records])

    def metrics(self, model: api.Model, records: Sequence[ScoredPair], answers: Sequence[Any]) -> dict[str, Any]:
        found, right = np.array(answers), np.array([one.score for one in records])
        if not set(right.tolist()) <= {0.0, 1.0}:
            return {"rows": len(records), **correlation_metrics(found, right)}
        scores, hits, absent = table(records, found, right)
        ranked = ranking_metrics(scores, hits, absent) if hits.any() else {}
        return {
            **ranked,
            "rows": len(records),
            "queries": len(scores),
            "accuracy": float(((found > 0.5) == right).mean()),
        }

    def line(self, record: ScoredPair, answer: Any) -> dict[str, Any]:
        passage = {} if record.passage is None else {"passage": record.passage}
        return {"query": record.query, **passage, "score": round(answer, 6)}


def table(
    records: Sequence[ScoredPair], found: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the scores, the right passages and the places without one, a row for each query, each [Q, P]."""
    queries = list(by_query(records).values())
    width = max(map(len, queries))
    scores, hits = np.zeros((len(queries), width)), np.zeros((len(queries), width), dtype=bool)
    absent = ~hits
    for row, places in enumerate(queries):
        here = slice(len(places))
        scores[row, here], hits[row, here], absent[row, here] = found[places], right[places] > 0, False
    return scores, hits, absent
