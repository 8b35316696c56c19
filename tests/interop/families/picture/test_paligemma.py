"""PaliGemma 2: its patterns, its image token, and the names of its weights in files of two versions."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import trivium
from trivium.base.errors import ModelError
from trivium.interop.families import difference, families, read

FAMILY = families()["paligemma2"]


def small():
    config = trivium.build("paligemma2", depth=1, vocab_size=96).config
    encoder = config.encoder.replace(hidden_size=32, embed={"kind": "patches", "class_token": False, "size": (2, 3)})
    return config.replace(encoder=encoder, decoder=config.decoder.replace(kv_heads=1), image_token=90)


def test_what_is_written_is_read_back():
    ours = small()
    told = FAMILY.write(ours, None)
    assert told["image_token_index"] == 90 and told["text_config"]["num_image_tokens"] == 6
    assert told["text_config"]["layer_types"] == ["sliding_attention"] and told["projection_dim"] == 64
    found = read(FAMILY, told)
    assert difference(found, ours) is None and found.decoder.pattern[0].kind == "or" and found.projects
    newer = {key: value for key, value in told.items() if key != "image_token_index"} | {"image_token_id": 90}
    assert difference(read(FAMILY, newer), ours) is None


def test_a_width_that_is_not_the_text_is_named():
    with pytest.raises(ModelError, match="projection_dim: 7 is not supported, expected 64"):
        read(FAMILY, {**FAMILY.write(small(), None), "projection_dim": 7})


def test_the_names_of_the_tower_in_files_of_both_versions_are_read(tmp_path):
    model = trivium.model.transformer.Transformer(small())
    folder = trivium.api.Model(model).save(tmp_path / "m")
    state = load_file(folder / "model.safetensors")
    assert any(key.startswith("vision_tower.vision_model.encoder") for key in state)
    newer = {key.replace("vision_tower.vision_model.", "vision_tower."): value for key, value in state.items()}
    (tmp_path / "n").mkdir()
    save_file(newer, tmp_path / "n" / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "n" / "config.json").write_text(json.dumps(json.loads((folder / "config.json").read_text())))
    found = trivium.load(tmp_path / "n").transformer.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())
