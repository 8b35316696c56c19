"""Gemma3ForCausalLM: Gemma 2 with normalised queries and keys, five windows to a full layer, each with its own RoPE."""

from trivium.interop.decoder import QK_EPS, heir
from trivium.interop.families.decoder.gemma2 import NORMS, SHARED, SIZES
from trivium.interop.keys import Tree, key, unread
from trivium.interop.layers import FULL, SLIDING, layer_types
from trivium.interop.rope import rope_by_type


def word(theirs: Tree, layer: int) -> str:
    """Return the word of a layer: a full one after each `sliding_window_pattern` - 1 with a window."""
    return SLIDING if (layer + 1) % theirs["sliding_window_pattern"] else FULL


KEYS = {"sliding_window": 4096, "sliding_window_pattern": 6, "_sliding_window_pattern": None}

FAMILY = heir(
    "Gemma3ForCausalLM",
    "gemma3_text",
    *SHARED,
    layer_types(word, KEYS),
    unread("attn_logit_softcapping"),  # kept by the class, and not passed to attention
    key("final_logit_softcapping", None, "head.softcap"),
    norms=NORMS,
    vocab_size=262208,
    max_position_embeddings=131072,
    rms_norm_eps=QK_EPS,
    rope=rope_by_type(word, {FULL: ("rope_theta", 1e6), SLIDING: ("rope_local_base_freq", 1e4)}, scaled={FULL}),
    **SIZES,
)
