"""SmolLM3ForCausalLM: LLaMA that turns queries and keys in three of four layers."""

from trivium.interop.decoder import ATTENTION_BIAS, MLP_BIAS, heir, windows
from trivium.interop.keys import Entry, Ours, Tree
from trivium.interop.layers import FULL, SLIDING, depth, tile
from trivium.interop.rope import read_rope, rope
from trivium.model.layer.position import NoPosition, RoPE

THETA = 2e6


def turned(theirs: Tree) -> list[bool]:
    """Return for each layer whether it has RoPE."""
    every, layers = theirs["no_rope_layer_interval"], range(depth(theirs))
    return [bool(flag) for flag in theirs["no_rope_layers"] or ((layer + 1) % every for layer in layers)]


def read(theirs: Tree) -> Tree:
    """Return the position of each layer."""
    found = read_rope(theirs, THETA)
    return {"*.position": tile([found if flag else NoPosition() for flag in turned(theirs)])}


def write(ours: Ours) -> Tree:
    """Return the keys of RoPE, and which layers have it."""
    return {**rope(THETA).write(ours), "no_rope_layers": [int(isinstance(found, RoPE)) for found in ours.positions]}


def word(theirs: Tree, layer: int) -> str:
    """Return the word of a layer: windows are in those without RoPE."""
    return FULL if not theirs["use_sliding_window"] or turned(theirs)[layer] else SLIDING


FAMILY = heir(
    "SmolLM3ForCausalLM",
    "smollm3",
    ATTENTION_BIAS,
    MLP_BIAS,
    windows(word),
    rope=Entry({**rope().defaults, "no_rope_layers": None, "no_rope_layer_interval": 4}, read, write),
    vocab_size=128256,
    hidden_size=2048,
    num_hidden_layers=36,
    num_attention_heads=16,
    num_key_value_heads=4,
    max_position_embeddings=32768,
    tie_word_embeddings=True,
)
