"""Losses of labels, tags and spans beside their definitions."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from trivium.base.batch import Batch, collate
from trivium.base.types import IGNORE, Example
from trivium.model.device import place
from trivium.model.layer.score import QuestionAnswering, SequenceClassification, TokenClassification
from trivium.train.loss.label import LabelLoss, SpanLoss, TagLoss
from trivium.train.loss.loss import Loss

LENGTHS = (3, 5, 4)


def batch(packed: bool, **targets: list[Any]) -> Batch:
    """Three texts, side by side in one row or below one another, with a target of each name for each."""
    made = [
        Example(enc=np.arange(3, 3 + size), targets={key: np.asarray(values[i]) for key, values in targets.items()})
        for i, size in enumerate(LENGTHS)
    ]
    return place(collate([made] if packed else [[one] for one in made], 0, multiple=8), torch.device("cpu"))


def hidden_of(made: Batch, seed: int = 0) -> torch.Tensor:
    """States that depend on the text and the position alone, so packing changes nothing."""
    table = torch.randn(20, 20, 8, generator=torch.Generator().manual_seed(seed))
    stream = made.stream
    number = torch.where(stream.positions == 0, (stream.documents > 0).long(), 0).flatten().cumsum(0)
    return table[number.reshape(stream.ids.shape), stream.positions].requires_grad_()


def states(made: Batch, hidden: torch.Tensor) -> list[torch.Tensor]:
    """The states of each text alone."""
    documents = made.stream.documents
    return [row[ids == d] for row, ids in zip(hidden, documents, strict=True) for d in ids[ids > 0].unique()]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_label_of_a_text(packed: bool, smoothing: float) -> None:
    made = batch(packed, label=[0, 2, 1])
    head, hidden = SequenceClassification(labels=("a", "b", "c"), pool="last").build(8, 11, None), hidden_of(made)
    total, each, labels = LabelLoss(label_smoothing=smoothing)(head, hidden, made)
    scores = torch.stack([head(text[-1]) for text in states(made, hidden)])
    expected = F.cross_entropy(scores, torch.tensor([0, 2, 1]), reduction="none", label_smoothing=smoothing)
    assert torch.allclose(each, expected) and torch.allclose(total, expected.sum())
    assert labels.tolist() == [0, 2, 1] and made.count() == 3


def test_several_labels_of_a_text() -> None:
    wanted = [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    made = batch(True, label=wanted)
    config = SequenceClassification(labels=("a", "b", "c"), problem_type="multi_label_classification")
    head, hidden = config.build(8, 11, None), hidden_of(made)
    total, each, _ = LabelLoss()(head, hidden, made)
    scores = torch.stack([head(text[0]) for text in states(made, hidden)])
    expected = F.binary_cross_entropy_with_logits(scores, torch.tensor(wanted).float(), reduction="none").mean(-1)
    assert torch.allclose(each, expected) and torch.allclose(total, expected.sum())


@pytest.mark.parametrize("problem_type", [None, "regression"])
def test_one_score_of_a_text(problem_type: str | None) -> None:
    wanted = np.array([[0.2], [1.0], [0.0]], dtype=np.float32)
    made = batch(True, label=[*wanted])
    config = SequenceClassification(labels=("score",), problem_type=problem_type)  # type: ignore[arg-type]
    head, hidden = config.build(8, 11, None), hidden_of(made)
    total, each, _ = LabelLoss()(head, hidden, made)
    scores = torch.stack([head(text[0]) for text in states(made, hidden)])[:, 0]
    right = torch.tensor(wanted)[:, 0]
    cross = F.binary_cross_entropy_with_logits(scores, right, reduction="none")
    expected = cross if problem_type is None else (scores - right) ** 2
    assert torch.allclose(each, expected) and torch.allclose(total, expected.sum())


@pytest.mark.parametrize("packed", [False, True])
def test_a_tag_for_the_tokens_that_have_one(packed: bool) -> None:
    tags = [[IGNORE, 1, 0], [IGNORE, IGNORE, 1, 1, IGNORE], [0, 0, 0, IGNORE]]
    made = batch(packed, tag=tags)
    head, hidden = TokenClassification(labels=("O", "B")).build(8, 11, None), hidden_of(made)
    total, each, found = TagLoss()(head, hidden, made)
    scores = torch.cat([head(text) for text in states(made, hidden)])
    flat = torch.tensor([tag for text in tags for tag in text])
    expected = F.cross_entropy(scores[flat != IGNORE], flat[flat != IGNORE], reduction="none")
    assert torch.allclose(each, expected) and torch.allclose(total, expected.sum())
    assert found.tolist() == [1, 0, 1, 1, 0, 0, 0] and made.count() == 7


@pytest.mark.parametrize("packed", [False, True])
def test_a_span_is_chosen_among_the_tokens_of_its_own_text(packed: bool) -> None:
    made = batch(packed, start=[0, 1, 3], end=[2, 4, 3])
    head, hidden = QuestionAnswering().build(8, 11, None), hidden_of(made)
    total, each, _ = SpanLoss()(head, hidden, made)
    expected = []
    for text, start, end in zip(states(made, hidden), (0, 1, 3), (2, 4, 3), strict=True):
        scores = head(text)
        both = [F.cross_entropy(scores[:, i], torch.tensor(at)) for i, at in enumerate((start, end))]
        expected.append(sum(both) / 2)  # type: ignore[arg-type]
    assert torch.allclose(each, torch.stack(expected)) and torch.allclose(total, each.sum())


@pytest.mark.parametrize(
    ("name", "config"),
    [("label", SequenceClassification()), ("tag", TokenClassification()), ("span", QuestionAnswering())],
)
def test_a_batch_without_targets_gives_zero_that_every_parameter_is_part_of(name: str, config: Any) -> None:
    made = batch(False)
    head = config.build(8, 11, None)
    total, each, found = Loss.parse(name)(head, hidden_of(made), Batch(made.enc, None, {}))
    total.backward()
    assert total.item() == 0 and not len(each) and not len(found)
    assert all(p.grad is not None and not p.grad.any() for p in head.parameters())
