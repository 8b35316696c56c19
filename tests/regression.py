"""A task of one's own in one file: predict a number from a text. `imports = ["regression.py"]` makes it known."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from trivium.base.config import Seq
from trivium.base.types import Pooling
from trivium.infer.read import scores
from trivium.model.layer.score import LabelHead, pooled
from trivium.objective.records import TaskObjective
from trivium.rows.record import Record, lay
from trivium.task.task import RecordTask
from trivium.train.loss.loss import Loss, unweighted


class ScoredText(Record, kind="score"):
    """A text and its number."""

    columns: ClassVar = ("text", "number")
    answer_field: ClassVar = "number"
    text: str
    number: float | None = None

    def examples(self, layout, head, objective, counts):
        if self.number is None:
            raise ValueError("number: expected one, found none")
        target = np.array(self.number, dtype=np.float32)
        return [replace(lay([self.text], layout, counts), targets={"number": target})]


class NumberHead(LabelHead, kind="number"):
    """One number for each text."""

    labels: Seq[str] = ("number",)
    pool: Pooling = "mean"


class SquaredError(Loss, kind="number"):
    """(found - right)^2."""

    target: ClassVar = "number"

    def measure(self, head, hidden, batch):
        right = batch.targets["number"]
        found = head(pooled(hidden, batch.stream, head.config.pool))[:, 0]
        return unweighted((found - right) ** 2, right)


class NumberObjective(TaskObjective, kind="number"):
    """Learn the number of a text."""

    loss: ClassVar = "number"


class NumberTask(RecordTask, kind="number"):
    """One number for each text, scored by the root of the mean squared error."""

    record: ClassVar = ScoredText
    objective: ClassVar = "number"
    head: ClassVar = NumberHead
    defaults: ClassVar = {"optim": {"lr": 5e-4}, "budget_epochs": 5, "batch_tokens": 2048}

    def answers(self, model, records):
        laid = [lay([one.text], model.layout()) for one in records]
        return [float(row[0]) for row in scores(model.transformer, laid)]

    def metrics(self, model, records, answers):
        errors = np.array(answers) - np.array([one.number for one in records])
        return {"rows": len(records), "rmse": float(np.sqrt((errors**2).mean()))}

    def line(self, record, answer):
        return {"text": record.text, "number": answer}
