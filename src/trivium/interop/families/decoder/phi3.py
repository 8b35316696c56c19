"""Phi3ForCausalLM: LLaMA with one matrix for queries, keys and values and one for gate and up."""

import math

from trivium.base.errors import ModelError
from trivium.interop.decoder import heir
from trivium.interop.keys import Entry, Ours, Tree, key, rates
from trivium.interop.layers import WINDOW
from trivium.interop.rope import FRACTION, NEW, OLD, ORIGINAL, read_rope, rope
from trivium.model.layer.position import RoPE
from trivium.model.layer.scaling import LongRoPE

FUSED = {
    "attention.q attention.k attention.v": "self_attn.qkv_proj",
    "attention.o": "self_attn.o_proj",
    "ffn.gate ffn.up": "mlp.gate_up_proj",
    "ffn.down": "mlp.down_proj",
}
EARLY = ("su", "yarn")
"""What the first releases called `longrope`."""


def read(theirs: Tree) -> Tree:
    """Return the RoPE of all layers, which is plain or `longrope`."""
    place = OLD if theirs[OLD] else NEW
    table = theirs[place]
    if isinstance(table, dict):
        name = table.get("rope_type") or table.get("type") or "default"
        name = "longrope" if name in EARLY else name
        if name not in ("default", "longrope"):
            raise ModelError(f"{place}: rope_type {name!r} is not supported; known: default, longrope")
        theirs = {**theirs, place: {**table, "rope_type": name}}
    return {"*.position": [read_rope(theirs, partial=True)]}


def write(ours: Ours) -> Tree:
    """Return the keys of RoPE: version 4 takes a `longrope` of three keys alone, if they say all of it."""
    found = next((position for position in ours.positions if isinstance(position, RoPE)), None)
    if found is None or not isinstance(scaling := found.scaling, LongRoPE):
        return {**rope(partial=True).write(ours), ORIGINAL: ours.config.context}
    table: Tree = {"type": "longrope", "short_factor": [*scaling.short_factor], "long_factor": [*scaling.long_factor]}
    ratio = ours.config.context / scaling.original_context
    if scaling.attention_factor is not None or not math.isclose(scaling.factor, ratio):
        table |= {"factor": scaling.factor, "attention_factor": scaling.attention_factor}
    new = {**table, "rope_type": "longrope", "rope_theta": found.theta, FRACTION: found.fraction}
    beside = {"rope_theta": found.theta, FRACTION: found.fraction, ORIGINAL: scaling.original_context}
    return {OLD: table, NEW: new, **beside}


FAMILY = heir(
    "Phi3ForCausalLM",
    "phi3",
    key("sliding_window", None, "*.pattern", WINDOW),
    key("resid_pdrop", 0.0, "*.dropout"),
    rates("embd_pdrop", stands="resid_pdrop"),
    matrices=FUSED,
    rope=Entry({**rope().defaults, ORIGINAL: 4096}, read, write),
    vocab_size=32064,
    hidden_size=3072,
    intermediate_size=8192,
    max_position_embeddings=4096,
    rms_norm_eps=1e-5,
)
