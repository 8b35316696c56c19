"""The processor beside the stock one, beside torch, and its own widths in proportion."""

import numpy as np
import pytest

from drawn import MODES, colours, saved
from trivium.base.config import parse
from trivium.base.errors import ConfigError, ModelError
from trivium.image.processor import FILTERS, ImageProcessor
from trivium.image.read import read

pytest.importorskip("PIL")
SIZES = [(16, 16), (17, 33), (200, 31), (31, 200), (97, 64), (5, 3)]


def unpatched(found, processor, height, width):
    """The pixel values [C, H, W] that patches were cut of."""
    side, channels = processor.patch, processor.channels
    values = found.values[processor.class_token :].reshape(height // side, width // side, channels, side, side)
    return values.transpose(2, 0, 3, 1, 4).reshape(channels, height, width)


def files(folder):
    """50 pictures of all modes and sizes."""
    for number in range(50):
        yield saved(folder, MODES[number % len(MODES)], *SIZES[number % len(SIZES)], seed=number)


def test_the_same_as_the_stock_processor(tmp_path):
    from PIL import Image
    from transformers import ViTImageProcessorPil

    for number, path in enumerate(files(tmp_path)):
        resample = [*FILTERS][number % len(FILTERS)]
        own = ImageProcessor(height=32, width=48, patch=8, resample=resample, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 1.0))
        tree = own.stock()
        stock = ViTImageProcessorPil.from_dict(tree)
        picture = Image.open(path)
        if picture.mode == "I;16":  # which PIL would cut at 255
            picture = Image.fromarray((np.asarray(picture) // 256).astype(np.uint8))
        want = np.array(stock(picture)["pixel_values"][0])
        got = unpatched(own(path), own, 32, 48)
        assert np.abs(got - want).max() < 1e-6, path
        assert ImageProcessor.of_stock(stock.to_dict(), 8, False) == own


def test_at_most_a_level_from_smoothed_resizing_in_torch(tmp_path):
    torch = pytest.importorskip("torch")
    own = ImageProcessor(height=32, width=48, patch=8)
    for path in files(tmp_path):
        source = read(path)
        pixels = torch.from_numpy(source).permute(2, 0, 1)[None].float()
        want = torch.nn.functional.interpolate(pixels, (32, 48), mode="bilinear", antialias=True, align_corners=False)
        want = want.round().clamp(0, 255)[0].permute(1, 2, 0).numpy()
        assert np.abs(own.resized(source).astype(int) - want).max() <= 1, path


def test_patches_are_those_of_a_stock_convolution():
    torch = pytest.importorskip("torch")
    own = ImageProcessor(height=12, width=20, patch=4, class_token=True)
    found = own(colours(20, 12))
    assert found.values.shape == (1 + 15, 48) and found.values.dtype == np.float32
    assert found.places.dtype == np.int64 and found.places[:1].tolist() == [[0, 0]]
    assert found.places[1:7].tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [0, 4], [1, 0]]
    assert not found.values[0].any()
    kernel = torch.randn(7, 3, 4, 4)
    image = torch.from_numpy(unpatched(found, own, 12, 20))[None]
    want = torch.nn.functional.conv2d(image, kernel, stride=4).flatten(2)[0].T
    got = torch.from_numpy(found.values[1:]) @ kernel.reshape(7, -1).T
    assert torch.allclose(got, want, atol=1e-4)


def test_a_width_keeps_its_proportion():
    own = ImageProcessor(height=32, width=None, max_width=64, patch=8, channels=1)
    assert own.mean == (0.5,) and own.longest == 32
    source = colours(40, 32)
    assert own.grid(32, 40) == (4, 5) and own.length(32, 40) == 20
    grey = own.resized(source)
    luma = (source * np.array([299, 587, 114]) / 1000).sum(axis=2)  # ITU-R 601-2
    assert grey.shape == (32, 40, 1) and np.abs(grey[:, :, 0] - luma).max() <= 1
    assert own.resized(colours(43, 32)).shape == (32, 48, 1)
    assert (own.resized(colours(43, 32))[:, 43:] == own.resized(colours(43, 32))[:, 42:43]).all()
    assert not own.bends(32, 43) and not own.bends(64, 86) and not own.bends(100, 201)
    assert own.resized(colours(300, 32)).shape == (32, 64, 1) and own.bends(32, 300)
    assert own.grid(900, 1) == (4, 1)
    assert len(own(colours(300, 32)).values) == own.length(32, 300) == own.longest


def test_one_size_bends_what_has_another_ratio():
    own = ImageProcessor(height=32, width=32, patch=8)
    assert own.bends(32, 64) and not own.bends(64, 64) and not own.bends(100, 101)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"height": 30}, "height: expected a multiple of the patch of 16 pixels, found 30"),
        ({"width": None}, "expected either width"),
        ({"width": 64, "max_width": 64}, "expected either width"),
        ({"mean": [0.5, 0.4]}, "mean: expected 3 numbers"),
        ({"std": [0.5, 0.0, 0.5]}, "std: expected numbers above 0"),
        ({"background": [0, 0, 300]}, "background: expected three levels"),
    ],
)
def test_what_does_not_fit_is_told(wrong, told):
    with pytest.raises(ValueError, match=told):
        ImageProcessor.model_validate(wrong)


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"size": {"shortest_edge": 224}}, "found size"),
        ({"do_center_crop": True}, "do_center_crop"),
        ({"resample": 0}, "resample 0"),
        ({"do_resize": False}, "do_resize false"),
    ],
)
def test_a_step_that_none_of_ours_has_is_refused(tree, told):
    with pytest.raises(ModelError, match=f"preprocessor_config.json: .*{told}"):
        ImageProcessor.of_stock(tree, 16, True)
    with pytest.raises(ConfigError, match="height: expected a multiple of the patch"):
        ImageProcessor.of_stock({"size": 225}, 16, True)


def test_what_no_stock_class_says_is_not_written_for_one():
    assert ImageProcessor(channels=1).stock() is None
    assert ImageProcessor(width=None, max_width=320).stock() is None
    assert ImageProcessor(background=(0, 0, 0)).stock() is None
    kept = ImageProcessor(mean=None, rescale=None)
    assert ImageProcessor.of_stock(kept.stock(), 16, False) == kept.replace(std=kept.std)


def test_a_patch_may_be_a_column_of_a_line():
    """32 x 8 patches in the order (y, x); the width is padded to whole columns; no stock class has such patches."""
    own = ImageProcessor(height=32, width=None, max_width=64, patch=32, patch_width=8, channels=1, mean=None)
    levels = np.arange(32 * 20, dtype=np.uint8).reshape(32, 20)
    found = own(levels)
    wanted = np.pad(levels, ((0, 0), (0, 4)), mode="edge").reshape(32, 3, 8).transpose(1, 0, 2).reshape(3, 256) / 255
    assert np.allclose(found.values, wanted, atol=1e-7) and found.places.tolist() == [[0, 0], [0, 1], [0, 2]]
    assert own.length(32, 20) == 3 and own.longest == 8 and own.stock() is None
    assert ImageProcessor(height=32, width=64, patch=32, patch_width=8).stock() is None
    with pytest.raises(ConfigError, match="max_width: expected a multiple of the patch of 8 pixels, found 60"):
        parse(ImageProcessor, {"height": 32, "width": None, "max_width": 60, "patch": 32, "patch_width": 8})


def test_a_largest_width_says_that_the_width_has_a_proportion():
    assert ImageProcessor.model_validate({"height": 32, "max_width": 64, "patch": 8}).width is None


@pytest.mark.parametrize("channels", [1, 3])
def test_levels_come_back_from_patches(channels):
    own = ImageProcessor(height=16, max_width=64, patch=8, patch_width=4, channels=channels, class_token=True, mean=0.4)
    levels = own.resized(colours(30, 16))
    found = own.patches(levels)
    assert (own.levels(found.values, found.places) == levels).all()
