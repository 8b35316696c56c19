"""SmolLM3ForCausalLM: LLaMA that turns queries and keys in three of four layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trivium.interop.decoder import ATTENTION_BIAS, MLP_BIAS, LateWindows, heir
from trivium.interop.keys import Ours, Tree
from trivium.interop.layers import FULL, SLIDING, depth, tile
from trivium.interop.rope import Rope
from trivium.model.layer.position import NoPosition, RoPE


def turned(theirs: Mapping[str, Any]) -> list[bool]:
    """Return for each layer whether it has RoPE."""
    every, layers = theirs["no_rope_layer_interval"], range(depth(theirs))
    return [bool(flag) for flag in theirs["no_rope_layers"] or ((layer + 1) % every for layer in layers)]


@dataclass(frozen=True)
class SomeRope(Rope):
    """RoPE in the layers where `no_rope_layers` is 1."""

    def defaults(self) -> Tree:
        return {**super().defaults(), "no_rope_layers": None, "no_rope_layer_interval": 4}

    def read(self, theirs: Mapping[str, Any]) -> Tree:
        (rope,) = super().read(theirs)["*.position"]
        return {"*.position": tile([rope if flag else NoPosition() for flag in turned(theirs)])}

    def write(self, ours: Ours) -> Tree:
        return {**super().write(ours), "no_rope_layers": [int(isinstance(found, RoPE)) for found in ours.positions]}


class Windows(LateWindows):
    """Windows, where switched on, in the layers without RoPE."""

    def word(self, theirs: Mapping[str, Any], layer: int) -> str:
        return FULL if self.window(theirs) is None or turned(theirs)[layer] else SLIDING


FAMILY = heir(
    "SmolLM3ForCausalLM",
    "smollm3",
    ATTENTION_BIAS,
    MLP_BIAS,
    Windows(),
    rope=SomeRope(theta=2e6),
    vocab_size=128256,
    hidden_size=2048,
    num_hidden_layers=36,
    num_attention_heads=16,
    num_key_value_heads=4,
    max_position_embeddings=32768,
    tie_word_embeddings=True,
)
