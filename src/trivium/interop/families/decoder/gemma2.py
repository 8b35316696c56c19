"""Gemma2ForCausalLM: norms on both sides of a sublayer, capped scores and logits, a window in every other layer."""

from typing import Any

from trivium.interop.decoder import ATTENTION_BIAS, heir
from trivium.interop.keys import ACTIVATION, DIVIDES, Form, key, only
from trivium.interop.layers import FULL, SLIDING, layer_types

NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm")
SCALE = key(
    "query_pre_attn_scalar", 256, "*.score_scale", Form(lambda size: size**-0.5, lambda scale: round(scale**-2))
)
GELU = key("hidden_activation", "gelu_pytorch_tanh", "*.ffn.activation", ACTIVATION)
SHARED = (ATTENTION_BIAS, SCALE, only("use_bidirectional_attention", False), DIVIDES)
"""What Gemma 2 and 3 have in common."""
SIZES: dict[str, Any] = {
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "hidden_act": GELU,
    "tie_word_embeddings": True,
}

FAMILY = heir(
    "Gemma2ForCausalLM",
    "gemma2",
    *SHARED,
    layer_types(lambda theirs, layer: FULL if layer % 2 else SLIDING, {"sliding_window": 4096}),
    key("attn_logit_softcapping", 50.0, "*.softcap"),
    key("final_logit_softcapping", 30.0, "head.softcap"),
    norms=NORMS,
    vocab_size=256000,
    max_position_embeddings=8192,
    **SIZES,
)
