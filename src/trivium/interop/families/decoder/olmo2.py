"""Olmo2ForCausalLM: LLaMA with norms of what its sublayers give, and of all heads of queries and keys at once."""

from dataclasses import replace

from trivium.interop.decoder import ATTENTION_BIAS, QK_EPS, heir

FAMILY = heir(
    "Olmo2ForCausalLM",
    "olmo2",
    ATTENTION_BIAS,
    norms=("", "post_attention_layernorm", "", "post_feedforward_layernorm"),
    vocab_size=50304,
    rms_norm_eps=replace(QK_EPS, defaults={"rms_norm_eps": 1e-5}),
)
