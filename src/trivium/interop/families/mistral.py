"""MistralForCausalLM: LLaMA that looks back a window."""

from collections.abc import Mapping
from typing import Any

from trivium.base.types import Vocabulary
from trivium.interop import decoder
from trivium.interop.layers import one
from trivium.interop.rules import Table
from trivium.interop.spelling import expect, lone
from trivium.model.attention.pattern import Causal, Window
from trivium.model.config import ModelConfig

architecture, model_type, prefix = "MistralForCausalLM", "mistral", "model."

DEFAULTS: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": None,
    "hidden_act": "silu",
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "sliding_window": 4096,
    "attention_dropout": 0.0,
}
"""What the stock class takes for a key that config.json leaves out."""


def read(config: Mapping[str, Any]) -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    window = theirs["sliding_window"]
    pattern = [{"kind": "window", "size": window} if window else {"kind": "causal"}]
    return decoder.read(theirs, model_type, "hidden_act", {"decoder": {"pattern": pattern}})


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    stack = lone(config, "decoder", architecture)
    pattern = one(stack.pattern, "decoder.pattern", architecture)
    if not isinstance(pattern, Causal):
        expect(pattern, Window, "decoder.pattern", architecture)
    tree = decoder.write(config, architecture, model_type, "hidden_act", vocabulary)
    return {**tree, "sliding_window": next(iter(decoder.windows(stack)), None)}


def rules(config: ModelConfig) -> Table:
    return decoder.rules(config)
