"""Rows of ids side by side: each keeps its positions and its own document, wherever the padding is."""

import pytest
import torch

import tiny
from trivium.base.errors import ModelError
from trivium.infer.padding import by_length, left_padded, right_padded, tabled

CPU = torch.device("cpu")


def test_ends_are_aligned_for_generation_and_beginnings_for_reading() -> None:
    left, right = left_padded([[5, 6, 7], [8]], CPU), right_padded([[5, 6, 7], [8]], CPU)
    assert left.ids.tolist() == [[5, 6, 7], [0, 0, 8]] and right.ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert left.positions.tolist() == [[0, 1, 2], [0, 0, 0]] == right.positions.tolist()
    assert left.documents.tolist() == [[1, 1, 1], [0, 0, 1]] and right.documents.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert left.prefix.tolist() == [[True] * 3, [False, False, True]] and not left.plain and not right.plain
    assert left_padded([[1], [2]], CPU).plain


def test_rows_of_like_length_come_together_and_each_comes_once() -> None:
    rows = [[0] * n for n in (5, 1, 4, 2, 3)]
    assert list(by_length(rows, 2)) == [[1, 3], [4, 2], [0]]
    assert list(by_length(rows)) == [[1, 3, 4, 2, 0]]
    assert list(by_length(rows, places=6)) == [[1, 3], [4], [2], [0]]
    assert list(by_length(rows, places=3)) == [[1], [3], [4], [2], [0]] and not list(by_length([]))


def test_a_table_keeps_its_columns_as_positions() -> None:
    found = tabled([[3, 4, 5]], [[0, 1, 1]], None, tiny.model("gpt2"))
    assert found.positions.tolist() == [[0, 1, 2]] and found.documents.tolist() == [[0, 1, 1]] and not found.plain
    with pytest.raises(ModelError, match=r"token_type_ids: expected the shape \[1, 3\] of input_ids, found \[1, 2\]"):
        tabled([[3, 4, 5]], None, [[0, 1]], tiny.model("gpt2"))
