"""Gemma3ForCausalLM: Gemma 2 with normalised queries and keys, five windows to a full layer, each with its own RoPE."""

from collections.abc import Mapping
from typing import Any

from trivium.interop.decoder import QK_EPS, heir
from trivium.interop.families.decoder.gemma2 import NORMS, SHARED, SIZES
from trivium.interop.keys import Key, Unread
from trivium.interop.layers import FULL, SLIDING, LayerTypes
from trivium.interop.rope import RopeByType


class Every(LayerTypes):
    """A full layer after each `sliding_window_pattern` - 1 with a window."""

    def word(self, theirs: Mapping[str, Any], layer: int) -> str:
        return SLIDING if (layer + 1) % theirs["sliding_window_pattern"] else FULL


LAYERS = Every(sliding_window_pattern=6, _sliding_window_pattern=None)

FAMILY = heir(
    "Gemma3ForCausalLM",
    "gemma3_text",
    *SHARED,
    LAYERS,
    Unread("attn_logit_softcapping"),  # kept by the class, and not passed to attention
    Key("final_logit_softcapping", None, "head.softcap"),
    norms=NORMS,
    vocab_size=262208,
    max_position_embeddings=131072,
    rms_norm_eps=QK_EPS,
    rope=RopeByType(LAYERS, {FULL: ("rope_theta", 1e6), SLIDING: ("rope_local_base_freq", 1e4)}, scaled=True),
    **SIZES,
)
