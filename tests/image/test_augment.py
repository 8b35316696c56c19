"""Augmentation is a pure function of the picture and its address, and what is 0 changes nothing."""

import numpy as np
import pytest

from drawn import colours
from trivium.base.seeds import generator
from trivium.image.augment import Augment, PictureReader
from trivium.image.processor import ImageProcessor
from trivium.image.read import WHITE

pytest.importorskip("PIL")
SOURCE = colours(40, 24)
ALL = Augment(rotate=5, shift=0.1, scale=0.2, brightness=0.2, contrast=0.3, noise=0.05, flip=0.5)


def changed(augment, *address, source=SOURCE):
    return augment(source, generator(*address), WHITE)


def test_the_same_address_gives_the_same_picture():
    assert np.array_equal(changed(ALL, 1, 2, 3), changed(ALL, 1, 2, 3))
    for other in ((1, 2, 4), (1, 3, 3), (2, 2, 3)):
        assert not np.array_equal(changed(ALL, 1, 2, 3), changed(ALL, *other))


def test_nothing_changes_where_everything_is_0():
    assert np.array_equal(changed(Augment(), 0), SOURCE)


@pytest.mark.parametrize("name", ["rotate", "shift", "scale", "brightness", "contrast", "noise", "flip"])
def test_each_property_changes_alone(name):
    found = changed(Augment(**{name: 1 if name == "flip" else 0.5}), 4)
    assert found.shape == SOURCE.shape and found.dtype == np.uint8 and not np.array_equal(found, SOURCE)
    if name == "flip":
        assert np.array_equal(found, np.fliplr(SOURCE))


def test_a_shift_moves_whole_pixels_and_shows_the_background():
    dot = np.zeros((20, 20, 3), np.uint8)
    augment = Augment(shift=0.25)
    rng = generator(9)
    _, right, down, *_ = rng.uniform(-1, 1, 6)
    found = augment(dot, generator(9), (1, 2, 3))
    black = np.argwhere(found.sum(axis=2) == 0)
    centre = black.mean(axis=0)
    assert abs(centre[0] - (9.5 + np.sign(down) * (20 - np.ptp(black[:, 0]) - 1) / 2)) < 1
    assert abs(centre[1] - (9.5 + np.sign(right) * (20 - np.ptp(black[:, 1]) - 1) / 2)) < 1
    assert (found.reshape(-1, 3) == (1, 2, 3)).all(axis=1).any()


def test_a_turn_is_around_the_middle():
    line = np.full((21, 21, 3), 255, np.uint8)
    line[10] = 0
    found = changed(Augment(rotate=90), 3, source=line)[:, :, 0] < 128
    assert found[10, 10]  # the middle stays
    assert found.sum() == pytest.approx(21, abs=12)


def test_pictures_change_in_training_alone():
    reader = PictureReader(ImageProcessor(height=24, width=40, patch=8), Augment(noise=0.1))
    plain = PictureReader(reader.processor)
    assert reader(SOURCE) == plain(SOURCE) == plain(SOURCE, generator(1))
    assert reader(SOURCE, generator(1)) == reader(SOURCE, generator(1)) != reader(SOURCE)
