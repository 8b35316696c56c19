"""Gemma2ForCausalLM: norms on both sides of a sublayer, capped scores and logits, every other layer a window."""

from collections.abc import Mapping
from typing import Any

from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop import decoder
from trivium.interop.layers import FULL, SLIDING, one, read_types, tile, write_types
from trivium.interop.rules import Table
from trivium.interop.spelling import divides, expect, lone
from trivium.model.attention.pattern import Causal, Window
from trivium.model.config import ModelConfig
from trivium.model.layer.head import LM

architecture, model_type, prefix = "Gemma2ForCausalLM", "gemma2", "model."

DEFAULTS: dict[str, Any] = {
    "vocab_size": 256000,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
    "final_logit_softcapping": 30.0,
    "attn_logit_softcapping": 50.0,
}
"""What the stock class takes for a key that config.json leaves out."""

NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm")


def read(config: Mapping[str, Any]) -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    if theirs.get("use_bidirectional_attention"):
        raise ModelError("use_bidirectional_attention: true is not supported, expected false")
    types = read_types(theirs, theirs["num_hidden_layers"], lambda layer: FULL if layer % 2 else SLIDING)
    changes = {
        "decoder": {
            "pattern": tile(decoder.patterns(types, theirs["sliding_window"])),
            "bias": theirs["attention_bias"],
            "score_scale": theirs["query_pre_attn_scalar"] ** -0.5,
            "softcap": theirs["attn_logit_softcapping"],
        },
        "head": {"softcap": theirs["final_logit_softcapping"]},
    }
    return decoder.read(theirs, model_type, "hidden_activation", changes)


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    stack = lone(config, "decoder", architecture)
    divides(config, stack, architecture)
    head = expect(config.head, LM, "head", architecture)
    types = write_types(stack, Window, Causal, architecture)
    windows = decoder.windows(stack)
    return {
        **decoder.write(config, architecture, model_type, "hidden_activation", vocabulary),
        "attention_bias": stack.bias,
        "layer_types": types,
        "sliding_window": one(windows, "decoder.pattern", architecture) if windows else None,
        "query_pre_attn_scalar": round(stack.attention(config.hidden_size).scale ** -2),
        "attn_logit_softcapping": stack.softcap,
        "final_logit_softcapping": head.softcap,
    }


def rules(config: ModelConfig) -> Table:
    return decoder.rules(config, NORMS)
