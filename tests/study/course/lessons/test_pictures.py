"""Patches and their vectors: those of a convolution, as ViT's stock class has it."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from trivium.base.seeds import generator
from trivium.model.layer.position import NoPosition
from trivium.study.course.lessons import pictures


def test_the_numbers_of_vit_base():
    found = pictures.exact()
    assert [found[f"patches_{side}"] for side in (8, 16, 32)] == [784, 196, 49]
    assert [found[f"numbers_{side}"] for side in (8, 16, 32)] == [3 * side * side for side in (8, 16, 32)]
    assert found["matrix"] == 768 * 768 + 768 and found["table"] == 197 * 768 and found["lost"] == 0


@pytest.mark.parametrize("side", pictures.SIZES)
def test_the_embedding_is_a_convolution_that_does_not_overlap(side):
    image, _ = pictures.picture(generator(5))
    entry = pictures.embed(side).build(8, 0, NoPosition(), 0.0)
    kernel = entry.patch.weight.reshape(8, 3, side, side)
    pixels = torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    expected = F.conv2d(pixels, kernel, entry.patch.bias, stride=side)[0].flatten(1).T
    found = entry.patch(torch.from_numpy(pictures.processor(side)(image).values))
    assert found.detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)


def test_the_square_is_in_the_half_that_the_label_says():
    for seed in range(20):
        image, label = pictures.picture(generator(seed))
        columns = (image.max(axis=2).astype(int) - image.min(axis=2) > 50).nonzero()[1]
        assert len(columns) == pictures.SQUARE**2 and (columns >= 16).all() == bool(label) == (columns >= 16).any()


def test_the_drawing_has_every_patch_of_every_size():
    made = pictures.drawing({})
    for side in pictures.SIZES:
        one = made["sizes"][str(side)]
        assert np.shape(one["values"]) == ((32 // side) ** 2, 3 * side * side)
        assert one["places"][:2] == [[0, 0], [0, 1]] and np.shape(one["vectors"]) == ((32 // side) ** 2, pictures.WIDTH)
