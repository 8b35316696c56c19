"""TrOCR's decoder: where it begins, and which positions it has."""

import json

import pytest
import torch

import trivium
from patches import drawn
from trivium.base.types import Vocabulary
from trivium.interop.families import difference, families, read
from trivium.interop.hub import load
from trivium.token.tokenizer import Tokenizer

FAMILY = families()["trocr"]
SMALL = {"layers": 1, "heads": 2, "vocab_size": 400, "hidden_size": 32}


def test_it_begins_with_eos_which_only_the_decoder_of_a_published_file_says(tmp_path):
    model = trivium.build("trocr", **SMALL)
    model.tokenizer = Tokenizer.bytes()
    folder = model.save(tmp_path / "m")
    assert load(folder).start == model.tokenizer.vocabulary.eos == 2
    (folder / "generation_config.json").unlink()
    tree = json.loads((folder / "config.json").read_text())
    del tree["decoder_start_token_id"]
    tree["decoder"] |= {"decoder_start_token_id": 5, "bos_token_id": 1}
    (folder / "config.json").write_text(json.dumps(tree))
    (folder / "trivium.json").unlink()
    assert load(folder).start == 5
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
    assert transformers.VisionEncoderDecoderModel.from_pretrained(folder).generation_config.decoder_start_token_id == 5


def test_sinusoids_count_from_the_padding_id():
    config = trivium.build("trocr", **SMALL).config
    told = FAMILY.write(config, Vocabulary(400, pad=0, bos=1, eos=2))
    fixed = {**told, "decoder": {**told["decoder"], "use_learned_position_embeddings": False, "pad_token_id": 3}}
    found = read(FAMILY, fixed)
    assert found.decoder.position[0].kind == "m2m100" and found.decoder.position[0].offset == 4
    again = FAMILY.write(found, None)
    assert again["decoder"]["pad_token_id"] == 3 and difference(read(FAMILY, again), found) is None


def test_keys_and_values_have_the_width_of_the_encoder_or_of_the_decoder():
    made = trivium.build("trocr", **SMALL)
    wide = made.config.replace(encoder=made.config.encoder.replace(hidden_size=24), project=False)
    told = FAMILY.write(wide, None)
    assert told["decoder"]["cross_attention_hidden_size"] == 24 and read(FAMILY, told).memory_size == 24
    told = FAMILY.write(wide.replace(project=None), None)
    assert "cross_attention_hidden_size" not in told["decoder"] and read(FAMILY, told).projects
    keys = trivium.model.transformer.Transformer(wide).decoder.blocks[0].cross.k
    assert keys.weight.shape == (32, 24)


def test_a_picture_has_the_patches_that_the_model_reads():
    embed = trivium.build("trocr", **SMALL).config.pictures
    assert embed.refuse(drawn(embed, 14, 14)) is None and "at most 14 x 14" in embed.refuse(drawn(embed, 2, 15))
    assert torch.is_tensor(torch.ones(1))
