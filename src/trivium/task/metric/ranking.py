"""Metrics of scores: recall, MRR and nDCG of a ranking, and correlations."""

import numpy as np

CUTS = (1, 5, 10)


def correlation_metrics(found: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Return the metrics of N numbers: Pearson's and Spearman's correlation, and the root of the mean squared error.

    A correlation with numbers that are all equal is 0.
    """
    pearson = _pearson(found, right)
    spearman = _pearson(_ranks(found), _ranks(right))
    return {"pearson": pearson, "spearman": spearman, "rmse": float(np.sqrt(((found - right) ** 2).mean()))}


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / norm) if norm else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[place]


def ranking_metrics(
    scores: np.ndarray, right: np.ndarray, same: np.ndarray | None = None, cut: int = 10
) -> dict[str, float]:
    """Return the metrics of N queries over M documents, from scores [N, M].

    `right` [N, M] tells the right documents of each query; those that are the `same` text [N, M] are left out. recall@k
    is the share of queries with a right document among the first k; MRR and nDCG count the first `cut` documents.
    """
    scores = np.where(same, -np.inf, scores) if same is not None else scores
    right = right & ~same if same is not None else right
    asked = right.any(axis=1)
    order = np.argsort(-scores[asked], axis=1, kind="stable")
    hits = np.take_along_axis(right[asked], order, axis=1)
    top = hits[:, :cut]
    first = np.where(top.any(axis=1), 1 / (top.argmax(axis=1) + 1), 0.0)
    gains = 1 / np.log2(np.arange(top.shape[1]) + 2)
    ideal = np.array([gains[: int(count)].sum() for count in hits.sum(axis=1)])
    found = {f"recall@{k}": float(hits[:, :k].any(axis=1).mean()) for k in CUTS}
    return {
        "rows": int(asked.sum()),
        **found,
        f"mrr@{cut}": float(first.mean()),
        f"ndcg@{cut}": float(((top * gains).sum(axis=1) / ideal).mean()),
    }
