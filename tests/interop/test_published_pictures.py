"""Folders of pictures in the shape in which they were published, at small sizes, against the stock classes."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import trivium
from patches import pixels
from pictured import OLD, PICTURES, PROCESSORS, REFUSED
from tolerance import close
from trivium.base.config import merge
from trivium.base.errors import ModelError
from trivium.interop.families import by_config, read

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
pytest.importorskip("PIL")
VIT = {"hidden_size": 32, "intermediate_size": 40, "num_attention_heads": 4, "num_hidden_layers": 2, "image_size": 32}
VIT |= {"patch_size": 8}
TROCR = {"d_model": 24, "decoder_attention_heads": 3, "decoder_ffn_dim": 40, "decoder_layers": 2, "vocab_size": 99}
TROCR |= {"cross_attention_hidden_size": 32, "max_position_embeddings": 40}
GPT2 = {"n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 40, "n_ctx": 40, "vocab_size": 99}
IDS = {"bos_token_id": 98, "decoder_start_token_id": 98, "eos_token_id": 98, "pad_token_id": 98}
GEMMA = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_key_value_heads": 4, "head_dim": 8}
GEMMA |= {"vocab_size": 99, "sliding_window": 6}
SMALL = {
    "vit-base-patch16-224 (2021)": VIT,
    "vit-gpt2-image-captioning (2022)": {"encoder": VIT, "decoder": {**GPT2, **IDS}, **IDS},
    "trocr-base-printed (2021)": {"encoder": VIT, "decoder": TROCR},
    "trocr-large-printed (2021)": {"encoder": VIT, "decoder": TROCR},
    "paligemma2-3b-pt-224 (2024)": {
        "projection_dim": 24,
        "image_token_index": 90,
        "vision_config": {**VIT, "projection_dim": 24, "num_image_tokens": 16, "num_positions": 16},
        "text_config": {**GEMMA, "num_image_tokens": 16},
    },
}
CLASSES = {"vit": "ViTForImageClassification", "paligemma": "PaliGemmaForConditionalGeneration"}


def folder_of(name, folder):
    """A folder with the published files, small, and the weights that files of those years had."""
    tree = merge(PICTURES[name], SMALL[name])
    kind = getattr(transformers, CLASSES.get(tree["model_type"], "VisionEncoderDecoderModel"))
    torch.manual_seed(0)
    stock = kind._from_config(kind.config_class.from_dict(json.loads(json.dumps(tree))), dtype=torch.float32)
    with torch.no_grad():
        for parameter in stock.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    stock.save_pretrained(folder)
    state = load_file(folder / "model.safetensors")
    if "gpt2" in name:
        for number in range(2):
            for part in ("attn", "crossattention"):
                state[f"decoder.transformer.h.{number}.{part}.bias"] = torch.ones(1, 1, 40, 40).tril()
                state[f"decoder.transformer.h.{number}.{part}.masked_bias"] = torch.tensor(-1e4)
        state["decoder.lm_head.weight"] = state["decoder.transformer.wte.weight"].clone()
    if "encoder" in tree:
        state |= {"encoder.pooler.dense.weight": torch.zeros(32, 32), "encoder.pooler.dense.bias": torch.zeros(32)}
    if "base-printed" in name:
        state["decoder.output_projection.weight"] = state["decoder.model.decoder.embed_tokens.weight"].clone()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(tree))
    size = PROCESSORS[name]["size"]
    side = {"height": 32, "width": 32} if isinstance(size, dict) else [32, 32] if isinstance(size, list) else 32
    (folder / "preprocessor_config.json").write_text(json.dumps({**PROCESSORS[name], "size": side}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    return kind


@pytest.mark.parametrize("name", PICTURES)
def test_a_published_folder_is_read_with_the_numbers_of_the_stock_class(name, tmp_path, capsys):
    kind = folder_of(name, tmp_path)
    ours = trivium.load(tmp_path)
    stock = kind.from_pretrained(tmp_path, dtype=torch.float32, attn_implementation="eager").eval()
    for module in stock.modules():  # the stock class forgets its sinusoids when it loads a folder
        if type(module).__name__ == "TrOCRSinusoidalPositionalEmbedding":
            module.weights = module.get_embedding(*module.weights.shape, module.padding_idx)
    source = np.random.default_rng(0).integers(0, 256, (50, 41, 3), dtype=np.uint8)
    processor = "SiglipImageProcessorPil" if "paligemma" in name else "ViTImageProcessorPil"
    seen = getattr(transformers, processor).from_pretrained(tmp_path)
    given = {"pixel_values": torch.from_numpy(np.array(seen(source)["pixel_values"]))}
    mine = pixels(ours.config.pictures, ours.reader(source))
    assert (mine - given["pixel_values"][0]).abs().max() < 1e-6
    if kind.__name__.startswith("PaliGemma"):
        ids = torch.tensor([[90] * 16 + [2, 5, 6, 7]])
        given |= {"input_ids": ids, "token_type_ids": (torch.arange(20) > 17)[None] * 1}
    elif ours.config.decoder is not None:
        start = 98 if "gpt2" in name else 2
        assert ours.start == start
        given["decoder_input_ids"] = torch.tensor([[start, 5, 6, 7]])
    with torch.no_grad():
        wanted = stock(**given).logits
    if ours.config.decoder is None:
        labels = stock.config.id2label
        found = ours.classify([source])[0]
        assert {*found} == {*labels.values()}
        chances = wanted[0].softmax(-1)
        assert all(abs(found[labels[number]] - chances[number].item()) < 1e-5 for number in range(7))
    else:
        assert close(ours.logits(**given), wanted)
    said = capsys.readouterr().err.replace(
        "text_config.hidden_act: not known here", ""
    )  # stock reads hidden_activation
    assert "not known here" not in said


TOLD = {
    "siglip-base-patch16-224": "model_type 'siglip' is not supported; the nearest is siglip_vision_model",
    "trocr-small-printed": "of encoder 'deit', decoder 'trocr' is not supported; known: vit and trocr; vit and gpt2",
    "deit-base-distilled-patch16-224": "model_type 'deit' is not supported; the nearest is vit",
    "beit-base-patch16-224": "model_type 'beit' is not supported; the nearest is vit",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_named(name):
    with pytest.raises(ModelError, match=TOLD[name]) as refused:
        read(by_config(REFUSED[name]), REFUSED[name])
    assert "\n" not in str(refused.value)


def test_a_folder_whose_tokenizer_has_no_file_of_its_own_is_told(tmp_path, capsys):
    folder_of("trocr-base-printed (2021)", tmp_path)
    for file in ("vocab.json", "merges.txt"):
        (tmp_path / file).write_text("{}")
    model = trivium.load(tmp_path)
    said = capsys.readouterr().err
    assert "merges.txt, vocab.json: a tokenizer without tokenizer.json is not read" in said
    assert "AutoTokenizer.from_pretrained" in said and said.count("\n") >= 1
    with pytest.raises(ModelError, match=r"has no tokenizer \(no tokenizer.json\)"):
        _ = model.tokenizer


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size": {"shortest_edge": 32}}, "size {'shortest_edge': 32}"),
        ({"size": 32, "do_center_crop": True, "crop_size": 28}, "do_center_crop"),
        ({"size": 32, "resample": 0}, "resample 0"),
        ({"size": 32, "do_resize": False}, "do_resize false"),
        ({"size": [32]}, r"size \[32\]"),
    ],
)
def test_a_step_of_a_processor_that_is_not_done_is_named(change, told, tmp_path):
    folder_of("trocr-base-printed (2021)", tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**OLD, **change}))
    with pytest.raises(ModelError, match=f"preprocessor_config.json: .*{told}") as refused:
        trivium.load(tmp_path)
    assert "\n" not in str(refused.value)
