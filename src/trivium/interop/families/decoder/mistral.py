"""MistralForCausalLM: LLaMA with a window in every layer, or in none."""

from trivium.interop.decoder import heir
from trivium.interop.keys import key
from trivium.interop.layers import WINDOW

FAMILY = heir(
    "MistralForCausalLM",
    "mistral",
    key("sliding_window", 4096, "*.pattern", WINDOW),
    intermediate_size=14336,
    num_key_value_heads=8,
    max_position_embeddings=131072,
)
