"""SigLIP alone: its head of attention is named where it is not read."""

import pytest

import trivium
from trivium.interop.families import by_type


def test_the_head_of_attention_is_told_and_not_read(tmp_path, capsys):
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 40}
    config = transformers.SiglipVisionConfig(**sizes, image_size=8, patch_size=4)
    transformers.SiglipVisionModel._from_config(config).save_pretrained(tmp_path)
    ours = trivium.load(tmp_path)
    assert "weights of heads that are not loaded" in capsys.readouterr().err
    assert ours.config.preset == "siglip_vision_model" and not ours.config.pictures.class_token


def test_a_folder_of_ours_says_that_it_has_no_head():
    told = by_type("siglip_vision_model").write(trivium.build("siglip_vision_model", depth=1).config, None)
    assert told["vision_use_head"] is False and told["image_size"] == 224
