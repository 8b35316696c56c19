"""Rows of ids side by side: each keeps its positions and its own document, wherever the padding is."""

import numpy as np
import pytest
import torch

import patches
import shapes
import small
import tiny
from trivium.base.errors import ModelError
from trivium.infer import padding
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


@pytest.mark.parametrize("cross", [True, False])
def test_pixel_values_are_the_patches_of_the_processor(cross):
    model = shapes.reader(cross)
    seen = model.see([shapes.square("red", n) for n in range(3)])
    values = [patches.pixels(model.config.pictures, one) for one in seen]
    batch = padding.batched(model.transformer, None, None, [[5] * (6 - cross)] * 3, None, torch.stack(values))
    assert torch.allclose(batch.enc.patches, torch.stack([torch.from_numpy(one.values) for one in seen]))
    assert batch.enc.places[0].tolist() == seen[0].places.tolist()
    begin = model.layout().before(5)
    found = model.logits([begin] * 3, pixel_values=torch.stack(values))  # as classes name them without cross-attention
    assert torch.equal(found, model.logits(pixel_values=torch.stack(values), decoder_input_ids=[begin] * 3))
    one = model.logits(pixel_values=values[1][None], decoder_input_ids=[begin])
    assert torch.allclose(found[1], one[0], atol=1e-5)
    assert not torch.allclose(found[0], found[1], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "reads pictures: give one"),
        ({"input_ids": [[1]]}, "reads pictures: give one"),
        (
            {"pixel_values": np.zeros((1, 3, 15, 16))},
            r"expected \[B, 3, H, W\] in patches of 8 x 8, found \[1, 3, 15, 16\]",
        ),
        ({"pixel_values": np.zeros((3, 16, 16))}, r"found \[3, 16, 16\]"),
        ({"pixel_values": np.zeros((1, 3, 16, 16))}, "decoder_input_ids: an encoder-decoder model needs them"),
    ],
)
def test_what_a_model_of_pictures_cannot_read_is_told(arguments, told):
    with pytest.raises(ModelError, match=told):
        shapes.reader().logits(**arguments)


def test_a_model_of_texts_refuses_pictures():
    with pytest.raises(ModelError, match="it reads no pictures"):
        small.model("llama").logits([[1]], pixel_values=np.zeros((1, 3, 16, 16)))
    with pytest.raises(ModelError, match="it reads no pictures"):
        small.model("llama").generate(images=[shapes.square("red")])
    with pytest.raises(ModelError, match="input_ids: expected rows of ids"):
        small.model("llama").logits()
