"""EuroBertForMaskedLM: LLaMA's stack that looks both ways, with LLaMA's head."""

from trivium.interop.decoder import ATTENTION_BIAS, heir
from trivium.interop.keys import DIVIDES, key, token

FAMILY = heir(
    "EuroBertForMaskedLM",
    "eurobert",
    ATTENTION_BIAS,
    key("mlp_bias", False, "*.ffn.bias head.bias"),
    DIVIDES,
    token("mask_token_id", "mask", required=True),
    vocab_size=128256,
    hidden_size=768,
    intermediate_size=3072,
    num_hidden_layers=12,
    num_attention_heads=12,
    max_position_embeddings=8192,
    rms_norm_eps=1e-5,
)
