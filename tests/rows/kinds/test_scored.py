"""Rows with a score: their keys, and what a score may be."""

from collections import Counter

import pytest

from layouts import layout
from talk import record
from trivium.base.errors import DataError
from trivium.model.layer.score import SequenceClassification
from trivium.rows.kinds.scored import ScoredPair, by_query

SIGMOID = SequenceClassification(labels=("score",), problem_type=None)
NUMBER = SequenceClassification(labels=("score",), problem_type="regression")


@pytest.mark.parametrize(
    ("row", "texts", "score"),
    [
        ({"query": "a", "passage": "b", "label": 1}, ["a", "b"], 1.0),
        ({"sentence1": "a", "sentence2": "b", "score": "3.8"}, ["a", "b"], 3.8),
        ({"question": "a", "sentence": "b", "label": False}, ["a", "b"], 0.0),
        ({"sentence": "a", "score": 2}, ["a"], 2.0),
        ({"text": "a"}, ["a"], None),
    ],
)
def test_keys_have_other_names(row, texts, score):
    found = record(ScoredPair, row)
    assert (found.texts, found.score) == (texts, score)


def test_the_target_is_the_score():
    made = ScoredPair(query="a", passage="b", score=0.25).examples(layout(), SIGMOID, None, Counter())
    assert made[0].targets["label"].tolist() == [0.25]
    assert ScoredPair(query="a", score=-7).examples(layout(), NUMBER, None, Counter())[0].targets["label"] == -7


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_is_finite(score):
    with pytest.raises(ValueError, match="finite"):
        ScoredPair(query="a", score=score)


@pytest.mark.parametrize("score", [-0.1, 1.5, None])
def test_a_score_that_the_head_cannot_learn_is_refused(score):
    made = ScoredPair(query="a", score=score)
    with pytest.raises(ValueError, match="score: expected a number"):
        made.examples(layout(), SIGMOID, None, Counter())
    if score is not None:
        assert made.number(any_number=True) == score


def test_a_score_that_is_no_number_is_named():
    with pytest.raises(DataError, match=r"f:1: label: .*found 'high'"):
        record(ScoredPair, {"query": "a", "label": "high"})


def test_rows_of_one_query_belong_together():
    rows = [ScoredPair(query=name) for name in "abab"]
    assert by_query(rows) == {"a": [0, 2], "b": [1, 3]}
