"""Ranking metrics beside their definitions."""

import numpy as np
import pytest

from trivium.task.metric.ranking import ranking_metrics


def test_ranks_beside_their_definitions():
    scores = np.array([[3.0, 2, 1], [3, 2, 1], [3, 2, 1]])
    found = ranking_metrics(scores, np.eye(3, dtype=bool))
    assert found["recall@1"] == pytest.approx(1 / 3) and found["recall@5"] == 1
    assert found["mrr@10"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert found["ndcg@10"] == pytest.approx((1 + 1 / np.log2(3) + 1 / 2) / 3)


def test_rows_of_one_kind_are_all_right():
    scores = np.array([[1.0, 3, 2], [1, 3, 2], [1, 2, 3]])
    kinds = np.array(["a", "a", "b"])
    assert ranking_metrics(scores, kinds[:, None] == kinds)["recall@1"] == 1
