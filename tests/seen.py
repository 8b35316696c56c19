"""Small stock models of pictures, nothing a default, and a text for each of two pictures."""

import pytest
import torch

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
