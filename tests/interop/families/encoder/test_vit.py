"""ViT's sizes, and its head over labels against the stock class."""

import pytest
import torch

import trivium
from patches import drawn, pixels
from tolerance import close
from trivium.base.batch import collate
from trivium.base.errors import ModelError
from trivium.base.types import Example
from trivium.infer.read import scores
from trivium.interop.families import by_type
from trivium.model.device import place

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
SIZES = {"image_size": [8, 12], "patch_size": 4}


def test_a_picture_classifier_is_the_stock_class_both_ways(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
    torch.manual_seed(0)
    labels = {0: "cat", 1: "dog", 2: "none"}
    config = transformers.ViTConfig(**SMALL, **SIZES, id2label=labels, initializer_range=0.3)
    stock = transformers.ViTForImageClassification._from_config(config, attn_implementation="eager").eval()
    stock.save_pretrained(tmp_path / "theirs")
    ours = trivium.load(tmp_path / "theirs")
    assert ours.config.head.kind == "classify" and ours.config.head.labels == ("cat", "dog", "none")
    found = [drawn(ours.config.pictures, 2, 3, seed) for seed in range(3)]
    mine = torch.stack(scores(ours.transformer, [Example(enc=one.values, places=one.places) for one in found]))
    given = torch.stack([pixels(ours.config.pictures, one) for one in found])
    with torch.no_grad():
        assert close(mine, stock(pixel_values=given).logits)
        ours.save(tmp_path / "ours")
        again, told = transformers.ViTForImageClassification.from_pretrained(
            tmp_path / "ours", output_loading_info=True
        )
        assert not told["missing_keys"] and not told["unexpected_keys"] and again.config.id2label == labels
        assert close(mine, again(pixel_values=given).logits)


def test_a_fresh_model_of_pictures_takes_the_stock_head(capsys):
    model = trivium.build("vit", depth=1)
    model.transformer = trivium.interop.equip.equip(
        model.transformer, trivium.interop.equip.head(model.config, None, "classify", ("a", "b"))
    )
    assert "own format" not in capsys.readouterr().err
    batch = place(
        collate([[Example(enc=one.values, places=one.places)] for one in [drawn(model.config.pictures, 14, 14)]], 0)
    )
    assert model.transformer(batch).shape == (1, 197, 64)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"patch_size": [4, 8]}, "patch_size: expected a square, found"),
        ({"image_size": "big"}, "image_size: expected one whole number above 0 or two, found 'big'"),
        ({"image_size": [8, 8, 8]}, "image_size: expected one whole number above 0 or two"),
        ({"patch_size": 0}, "patch_size: expected one whole number above 0"),
        ({"image_size": 8, "patch_size": 16}, "image_size: expected a multiple of patch_size 16, found 8"),
        ({"image_size": [32, 40]}, r"image_size: expected a multiple of patch_size 16, found \[32, 40\]"),
    ],
)
def test_sizes_that_no_picture_has_are_named(tree, message):
    with pytest.raises(ModelError, match=message):
        by_type("vit").read(tree)
