"""Qwen3ForCausalLM: LLaMA with normalised queries and keys, and windows in some layers."""

from trivium.interop.decoder import ATTENTION_BIAS, QK_EPS, heir, windows

FAMILY = heir(
    "Qwen3ForCausalLM",
    "qwen3",
    ATTENTION_BIAS,
    windows(),
    vocab_size=151936,
    intermediate_size=22016,
    num_key_value_heads=32,
    head_dim=128,
    max_position_embeddings=32768,
    rms_norm_eps=QK_EPS,
)
