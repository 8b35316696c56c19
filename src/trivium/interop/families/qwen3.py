"""Qwen3ForCausalLM: LLaMA with normalised queries and keys, and windows in some layers if asked for."""

from collections.abc import Mapping
from typing import Any

from trivium.base.types import Vocabulary
from trivium.interop import decoder
from trivium.interop.layers import FULL, SLIDING, one, read_types, tile, write_types
from trivium.interop.rules import Table
from trivium.interop.spelling import expect, lone
from trivium.model.attention.pattern import Causal, Window
from trivium.model.config import ModelConfig
from trivium.model.layer.norm import RMSNorm

architecture, model_type, prefix = "Qwen3ForCausalLM", "qwen3", "model."

DEFAULTS: dict[str, Any] = {
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 22016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "head_dim": 128,
    "hidden_act": "silu",
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
    "attention_dropout": 0.0,
}
"""What the stock class takes for a key that config.json leaves out."""


def read(config: Mapping[str, Any]) -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    window = theirs["sliding_window"] if theirs["use_sliding_window"] else None
    first = theirs["max_window_layers"] if window else theirs["num_hidden_layers"]
    types = read_types(theirs, theirs["num_hidden_layers"], lambda layer: SLIDING if layer >= first else FULL)
    changes = {
        "pattern": tile(decoder.patterns(types, window)),
        "bias": theirs["attention_bias"],
        "qk_norm": {"kind": "rms", "eps": float(theirs["rms_norm_eps"])},
    }
    return decoder.read(theirs, model_type, "hidden_act", {"decoder": changes})


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    stack = lone(config, "decoder", architecture)
    expect(stack.qk_norm, RMSNorm, "decoder.qk_norm", architecture)
    types = write_types(stack, Window, Causal, architecture)
    windows = decoder.windows(stack)
    return {
        **decoder.write(config, architecture, model_type, "hidden_act", vocabulary),
        "attention_bias": stack.bias,
        "layer_types": types,
        "use_sliding_window": bool(windows),
        "sliding_window": one(windows, "decoder.pattern", architecture) if windows else None,
        "max_window_layers": types.index(SLIDING) if windows else stack.layers,
    }


def rules(config: ModelConfig) -> Table:
    return decoder.rules(config, qk_norm=True)
