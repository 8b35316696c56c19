"""Models of pictures against their stock classes, both ways: logits, hidden states, the loss on labels, greedy ids."""

import json

import pytest
import torch

import trivium
from patches import drawn, pixels
from tolerance import close
from trivium.base.batch import collate
from trivium.base.types import Example
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.model.device import evaluating, place

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity(50)

VIT = {
    "hidden_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 50,
    "image_size": [12, 20],
    "patch_size": 4,
    "layer_norm_eps": 1e-3,
}
GPT2 = {"vocab_size": 101, "n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 64, "layer_norm_epsilon": 1e-3}
GPT2 |= {"bos_token_id": 1, "eos_token_id": 2}
TROCR = {
    "vocab_size": 101,
    "d_model": 24,
    "decoder_layers": 2,
    "decoder_attention_heads": 3,
    "decoder_ffn_dim": 50,
    "max_position_embeddings": 40,
}
GEMMA2 = {
    "vocab_size": 101,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "max_position_embeddings": 64,
    "sliding_window": 6,
    "query_pre_attn_scalar": 7,
}
SIGLIP = {**VIT, "image_size": 12, "vision_use_head": False, "layer_norm_eps": 1e-4}
CASES = {
    "vit": ("vit", VIT, {}),
    "vit-unbiased": ("vit", {**VIT, "qkv_bias": False, "num_channels": 1, "hidden_act": "relu", "image_size": 8}, {}),
    "siglip": ("siglip_vision_model", SIGLIP, {}),
    "gpt2": ("vit-gpt2", VIT, GPT2),
    "gpt2-same-width": ("vit-gpt2", VIT, {**GPT2, "n_embd": 36, "n_head": 3, "scale_attn_by_inverse_layer_idx": True}),
    "gpt2-untied": ("vit-gpt2", VIT, {**GPT2, "tie_word_embeddings": False, "n_inner": 30}),
    "trocr": ("trocr", {**VIT, "qkv_bias": False}, {**TROCR, "cross_attention_hidden_size": 36}),
    "trocr-projected": ("trocr", VIT, {**TROCR, "scale_embedding": True, "layernorm_embedding": False}),
    "trocr-sinusoids": (
        "trocr",
        VIT,
        {**TROCR, "use_learned_position_embeddings": False, "activation_function": "relu"},
    ),
    "paligemma": ("paligemma2", SIGLIP, GEMMA2),
    "paligemma-plain": ("paligemma2", SIGLIP, {**GEMMA2, "final_logit_softcapping": None, "num_hidden_layers": 2}),
}
TEXT = torch.randint(3, 96, (2, 9), generator=torch.Generator().manual_seed(4))


def stock_model(name, vision, text):
    """A stock model with weights that show where one is swapped or left out."""
    t = transformers
    if name == "vit":
        model = t.ViTModel._from_config(t.ViTConfig(**vision), attn_implementation="eager")
    elif name == "siglip_vision_model":
        model = t.SiglipVisionModel._from_config(t.SiglipVisionConfig(**vision), attn_implementation="eager")
    elif name == "paligemma2":
        config = t.PaliGemmaConfig(
            vision_config=t.SiglipVisionConfig(**vision),
            text_config=t.Gemma2Config(**text),
            projection_dim=text["hidden_size"],
            hidden_size=text["hidden_size"],
            image_token_index=99,
        )
        model = t.PaliGemmaForConditionalGeneration._from_config(config, attn_implementation="eager")
    else:
        inner = t.GPT2Config(**text) if name == "vit-gpt2" else t.TrOCRConfig(**text)
        config = t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(t.ViTConfig(**vision), inner)
        config.decoder_start_token_id, config.pad_token_id = (1, 0) if name == "vit-gpt2" else (2, 1)
        model = t.VisionEncoderDecoderModel._from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter_name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            norm = tensor.dim() == 1 and parameter_name.endswith("weight")
            tensor.copy_(1 + 0.3 * noise if norm and name != "paligemma2" else noise * 0.25)
    return model.eval()


@pytest.fixture(scope="module", params=CASES)
def stock(request):
    return request.param, stock_model(*CASES[request.param])


def pictures(config):
    """Two pictures of the size that the stock class takes, and their pixels."""
    found = [drawn(config.pictures, *config.pictures.size, seed=seed) for seed in (1, 2)]
    return found, torch.stack([pixels(config.pictures, one) for one in found])


def texts(config, size):
    """The ids of the texts, behind the places of a picture where it stands in them."""
    token = config.placeholder
    return TEXT if token is None else torch.cat([torch.full((2, size), token), TEXT], dim=1)


def states(model, labels=None):
    """Our batch, and what the decoder (else the encoder) makes of it."""
    config = model.config
    found, _ = pictures(config)
    ids = texts(config, len(found[0]))
    prefix = 0 if config.placeholder is None else len(found[0]) + 4
    dec = [None] * 2 if config.decoder is None else ids.numpy()
    examples = [
        Example(enc=one.values, places=one.places, dec=row, prefix=prefix) for one, row in zip(found, dec, strict=True)
    ]
    batch = place(collate([[example] for example in examples], pad=0))
    with evaluating(model.transformer):
        return batch, model.transformer(batch)


@torch.no_grad()
def compare(ours, reference):
    config = ours.config
    found, pixel_values = pictures(config)
    _, hidden = states(ours)
    if config.decoder is None:
        assert close(hidden, reference(pixel_values=pixel_values).last_hidden_state)
        return
    ids = texts(config, len(found[0]))
    if config.placeholder is None:
        said = reference(pixel_values=pixel_values, decoder_input_ids=ids)
    else:
        types = (torch.arange(ids.shape[1]) >= len(found[0]) + 4).long().expand_as(ids)
        said = reference(pixel_values=pixel_values, input_ids=ids, token_type_ids=types)
    assert said.logits.std() > 0.1
    assert close(ours.transformer.logits(hidden), said.logits)


@torch.no_grad()
def compare_greedy(ours, reference, count=9):
    """With a cache, of two pictures at once."""
    config = ours.config
    found, pixel_values = pictures(config)
    options = {"do_sample": False, "max_new_tokens": count, "min_new_tokens": count, "eos_token_id": None}
    if config.placeholder is None:
        prompts = [[ours.start]] * 2
        said = reference.generate(pixel_values=pixel_values, **options)
    else:
        prompts = texts(config, len(found[0])).tolist()
        given = {"pixel_values": pixel_values, "input_ids": torch.tensor(prompts)}
        given["token_type_ids"] = torch.zeros_like(given["input_ids"])
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        said = reference.generate(**given, suppress_tokens=[config.placeholder], **options)
    mine = generate(ours.transformer, Request(prompts, sources=found, max_new_tokens=count))
    assert [one.ids for one in mine] == said[:, -count:].tolist()


def test_a_stock_folder_is_read_with_the_same_numbers(stock, tmp_path):
    name, reference = stock
    reference.save_pretrained(tmp_path)
    ours = trivium.load(tmp_path)
    assert ours.config.preset == CASES[name][0]
    compare(ours, reference)
    if ours.config.decoder is not None:
        compare_greedy(ours, reference)


def test_our_folder_is_read_by_the_stock_class_whole(stock, tmp_path):
    _, reference = stock
    reference.save_pretrained(tmp_path / "theirs")
    ours = trivium.load(tmp_path / "theirs")
    with torch.no_grad():
        for parameter in ours.transformer.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(9)))
    ours.save(tmp_path / "ours")
    again, told = type(reference).from_pretrained(
        tmp_path / "ours", output_loading_info=True, attn_implementation="eager"
    )
    assert not told["unexpected_keys"] and not told["mismatched_keys"]
    for module in again.modules():  # the stock class forgets its sinusoids when it loads a folder
        if type(module).__name__ == "TrOCRSinusoidalPositionalEmbedding":
            module.weights = module.get_embedding(*module.weights.shape, module.padding_idx)
    assert all("pooler" in key for key in told["missing_keys"]), told["missing_keys"]
    compare(ours, again.eval())
    mine = trivium.load(tmp_path / "ours")
    assert torch.equal(states(mine)[1], states(ours)[1]) and mine.start == ours.start
    assert json.loads((tmp_path / "ours" / "trivium.json").read_text())["stock"] == type(reference).__name__
