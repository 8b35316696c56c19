"""Phi3ForCausalLM: LLaMA with one matrix for queries, keys and values and one for gate and up."""

from trivium.interop.decoder import heir
from trivium.interop.keys import key, told, unread
from trivium.interop.layers import WINDOW
from trivium.interop.rope import rope

FUSED = {
    "attention.q attention.k attention.v": "self_attn.qkv_proj",
    "attention.o": "self_attn.o_proj",
    "ffn.gate ffn.up": "mlp.gate_up_proj",
    "ffn.down": "mlp.down_proj",
}

FAMILY = heir(
    "Phi3ForCausalLM",
    "phi3",
    key("sliding_window", None, "*.pattern", WINDOW),
    key("resid_pdrop", 0.0, "*.dropout"),
    told(original_max_position_embeddings=lambda ours: ours.config.context),
    unread("embd_pdrop"),
    matrices=FUSED,
    rope=rope(partial=True),
    vocab_size=32064,
    hidden_size=3072,
    intermediate_size=8192,
    max_position_embeddings=4096,
    rms_norm_eps=1e-5,
)
