"""Ranking metrics, and what retrieval leaves out."""

import numpy as np
import pytest

import small
import trivium
from trivium.task.ranking import ranking_metrics
from trivium.task.task import task_of


def test_ranks_beside_their_definitions():
    scores = np.array([[3.0, 2, 1], [3, 2, 1], [3, 2, 1]])
    found = ranking_metrics(scores, ["a", "b", "c"])
    assert found["recall@1"] == pytest.approx(1 / 3) and found["recall@5"] == 1
    assert found["mrr@10"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert found["ndcg@10"] == pytest.approx((1 + 1 / np.log2(3) + 1 / 2) / 3)


def test_rows_of_one_kind_are_all_right():
    scores = np.array([[1.0, 3, 2], [1, 3, 2], [1, 2, 3]])
    assert ranking_metrics(scores, ["a", "a", "b"])["recall@1"] == 1


def test_a_text_does_not_find_itself(tmp_path):
    made = [{"query": "x", "positive": "y", "label": "k"}, {"query": "y", "positive": "x", "label": "k"}]
    file = small.rows(tmp_path / "r.jsonl", made)
    assert task_of("embed").measure(small.model("bert"), [file])["recall@1"] == 1
    same = np.array([[False, True], [True, False]])
    assert ranking_metrics(np.eye(2)[::-1], ["k", "k"], same)["recall@1"] == 1


@pytest.mark.parametrize("preset", ["bert", "llama"])
def test_embed_brings_together_what_belongs_together(tmp_path, preset):
    made = [{"anchor": f"{w} {i}", "positive": f"{j} {w}", "negative": [f"zz {i}"]}
            for w in ("aa", "bb", "cc", "dd") for i, j in ((1, 2), (3, 4))]  # fmt: skip
    before = small.model(preset)
    folder, found = small.tuned(tmp_path, "embed", preset, made, ["budget_epochs=30", "micro_rows=8"])
    after = trivium.load(folder)
    near = lambda m: float((lambda v: v[0] @ v[1] - v[0] @ v[2])(m.embed(["aa 1", "4 aa", "4 bb"])))
    assert found["recall@5"] == 1.0 and near(after) > near(before) + 0.2
    assert type(after.config.head) is type(before.config.head), "the model keeps the head that it had"
    assert after.record["pool"] == ("mean" if preset == "bert" else "last")
