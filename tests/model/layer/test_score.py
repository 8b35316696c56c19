"""Heads of tasks: which states they read, and what stands before their last matrix."""

import pytest
import torch

from trivium.base.batch import Stream
from trivium.model.layer.head import Head
from trivium.model.layer.norm import LayerNorm
from trivium.model.layer.score import (
    QuestionAnswering,
    SentenceEmbedding,
    SequenceClassification,
    TokenClassification,
    pooled,
)

DOCUMENTS = torch.tensor([[1, 1, 2, 2, 2], [1, 1, 1, 1, 0]])
POSITIONS = torch.tensor([[0, 1, 0, 1, 2], [0, 1, 2, 3, 0]])
STREAM = Stream(torch.zeros(2, 5, dtype=torch.long), POSITIONS, DOCUMENTS)
HIDDEN = torch.arange(20, dtype=torch.float32).reshape(2, 5, 2)


@pytest.mark.parametrize(
    ("pool", "expected"),
    [("first", [[0, 1], [4, 5], [10, 11]]), ("last", [[2, 3], [8, 9], [16, 17]]), ("mean", [[1, 2], [6, 7], [13, 14]])],
)
def test_each_text_of_a_packed_row_gives_one_state(pool: str, expected: list[list[float]]) -> None:
    assert pooled(HIDDEN, STREAM, pool).tolist() == expected  # type: ignore[arg-type]


def test_padding_has_no_part_in_a_mean() -> None:
    changed = HIDDEN.clone()
    changed[1, 4] = 1e6
    assert torch.equal(pooled(changed, STREAM, "mean"), pooled(HIDDEN, STREAM, "mean"))


def test_a_head_has_one_output_for_each_label() -> None:
    hidden = torch.randn(3, 8)
    assert SequenceClassification(labels=("a", "b", "c")).build(8, 11, None)(hidden).shape == (3, 3)
    assert TokenClassification(labels=("O", "B-x")).build(8, 11, None)(hidden).shape == (3, 2)
    assert QuestionAnswering().build(8, 11, None)(hidden).shape == (3, 2)


def test_the_layer_before_the_last_matrix_is_a_choice() -> None:
    hidden = torch.randn(3, 8)
    plain = SequenceClassification(bias=False).build(8, 11, None)
    assert torch.equal(plain(hidden), hidden @ plain.out.weight.T)
    dense = SequenceClassification(dense=True, dense_bias=False, activation="gelu", norm=LayerNorm(eps=1e-3)).build(
        8, 11, None
    )
    expected = dense.out(dense.norm(torch.nn.functional.gelu(hidden @ dense.dense.weight.T)))
    assert torch.allclose(dense(hidden), expected)


def test_dropout_is_for_training_alone() -> None:
    head = SequenceClassification(dense=True, dense_dropout=0.5, dropout=0.5).build(8, 11, None)
    hidden = torch.randn(64, 8)
    assert not torch.equal(head(hidden), head(hidden))
    head.eval()
    assert torch.equal(head(hidden), head(hidden))


def test_an_embedding_is_the_states_as_they_are() -> None:
    assert SentenceEmbedding().build(8, 11, None)(HIDDEN) is HIDDEN


def test_a_folder_that_says_several_has_a_multi_label_head() -> None:
    assert Head.parse({"kind": "classify", "several": True}) == SequenceClassification(
        problem_type="multi_label_classification"
    )


def test_the_last_state_of_an_id_is_read_where_a_text_has_it() -> None:
    ids = torch.tensor([[2, 5, 7, 2, 9], [2, 2, 5, 5, 2]])
    stream = Stream(ids, POSITIONS, DOCUMENTS)
    assert pooled(HIDDEN, stream, "last", 2).tolist() == [[0, 1], [6, 7], [12, 13]]
    assert pooled(HIDDEN, stream, "last", 7).tolist() == [[2, 3], [4, 5], [16, 17]], "the last token stands in"


def test_scores_become_what_the_stock_pipeline_makes_of_them() -> None:
    scores = torch.tensor([1.0, -2.0])
    assert torch.equal(SequenceClassification().probabilities(scores), scores.softmax(-1))
    several = SequenceClassification(problem_type="multi_label_classification")
    assert torch.equal(several.probabilities(scores), scores.sigmoid())
    assert torch.equal(SequenceClassification(problem_type="regression").probabilities(scores), scores)
    one = SequenceClassification(labels=("yes",))
    assert torch.equal(one.probabilities(scores[:1]), scores[:1].sigmoid())


def test_older_files_say_whether_there_are_several_labels() -> None:
    assert Head.parse({"kind": "classify", "multi_label": False}) == SequenceClassification()
    assert Head.parse({"kind": "classify", "multi_label": True}).multi_label  # type: ignore[attr-defined]
