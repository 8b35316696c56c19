"""Qwen2ForCausalLM: LLaMA with biases on queries, keys and values, and windows in some layers."""

from trivium.interop.decoder import heir, windows

FAMILY = heir(
    "Qwen2ForCausalLM",
    "qwen2",
    windows(),
    vocab_size=151936,
    intermediate_size=22016,
    num_key_value_heads=32,
    max_position_embeddings=32768,
)
