"""Tasks that have a head of their own, asked in words: a model that writes names the label, or says the answer."""

from collections.abc import Iterator, Sequence
from typing import Any

from trivium import api
from trivium.model.layer.head import LM
from trivium.rows import example as labelled
from trivium.rows.instruction import UNANSWERABLE
from trivium.rows.labelled import Question, Text, read
from trivium.rows.read import read_rows
from trivium.rows.row import RowReading
from trivium.task.answer import answer
from trivium.task.metric.label import label_metrics
from trivium.task.metric.squad import squad_metrics

OTHER = "(something else)"
"""What a label is called in the confusion matrix that is none of those asked for."""
MAX_NEW_TOKENS = 64


def writes(model: api.Model) -> bool:
    """Whether a model answers in words."""
    return isinstance(model.config.head, LM)


def label_rows(model: api.Model, paths: Sequence[Any], reading: RowReading) -> Iterator[tuple[Text, tuple[str, ...]]]:
    """Each text with the labels that the model writes for it."""
    rows = [one for _, one in read(Text, paths, reading)]
    for one, said in zip(rows, _said(model, paths, reading, "label"), strict=True):
        parts = tuple(part.strip() for part in said.split(", ") if part.strip())
        yield one, parts if isinstance(one.label, tuple) else (said.strip(),)


def label_scores(model: api.Model, paths: Sequence[Any], reading: RowReading) -> dict[str, Any]:
    """Accuracy, macro F1 and confusion of the labels that a model writes; what is none of them is wrong."""
    rows = list(label_rows(model, paths, reading))
    names = labelled.names(label for one, _ in rows for label in one.labels)
    found = [tuple(name if name in names else OTHER for name in said) for _, said in rows]
    return label_metrics(found, [one.labels for one, _ in rows], names, OTHER)


def answer_rows(model: api.Model, paths: Sequence[Any], reading: RowReading) -> Iterator[tuple[Question, str]]:
    """Each question with what the model writes, which is empty where it says that there is no answer."""
    rows = [one for _, one in read(Question, paths, reading)]
    for one, said in zip(rows, _said(model, paths, reading, "squad"), strict=True):
        yield one, "" if said.strip() == UNANSWERABLE else said.strip()


def answer_scores(model: api.Model, paths: Sequence[Any], reading: RowReading) -> dict[str, Any]:
    """Exact match and F1 of the answers that a model writes."""
    rows = list(answer_rows(model, paths, reading))
    return squad_metrics([said for _, said in rows], [one.answers.text for one, _ in rows])


def _said(model: api.Model, paths: Sequence[Any], reading: RowReading, format: str) -> list[str]:
    asked = reading if reading.format else reading.replace(format=format)
    found = [one for _, one in read_rows(paths, asked, asking=True)]
    return [one.answer for one in answer(model, found, MAX_NEW_TOKENS)]
