"""Metrics of scores beside their definitions."""

import numpy as np
import pytest

from trivium.task.metric.ranking import correlation_metrics, ranking_metrics


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


def test_correlations_are_those_of_an_independent_library():
    functional = pytest.importorskip("torchmetrics.functional")
    torch = pytest.importorskip("torch")
    found, right = np.array([0.2, 0.9, 0.9, -3.0, 0.4]), np.array([1.0, 5, 2, 1, 1])
    a, b = torch.tensor(found), torch.tensor(right)
    told = correlation_metrics(found, right)
    assert told["pearson"] == pytest.approx(float(functional.pearson_corrcoef(a, b)))
    assert told["spearman"] == pytest.approx(float(functional.spearman_corrcoef(a, b)))
    assert told["rmse"] == pytest.approx(float(functional.mean_squared_error(a, b, squared=False)))
    assert correlation_metrics(found, np.ones(5))["pearson"] == 0
