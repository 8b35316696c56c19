"""LlamaForCausalLM: LLaMA 1 to 3 and everything that was made to look like it."""

from collections.abc import Mapping
from typing import Any

from trivium.base.types import Vocabulary
from trivium.interop import decoder
from trivium.interop.rules import Table
from trivium.interop.spelling import divides, lone
from trivium.model.config import ModelConfig

architecture, model_type, prefix = "LlamaForCausalLM", "llama", "model."

DEFAULTS: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": None,
    "head_dim": None,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "mlp_bias": False,
}
"""What the stock class takes for a key that config.json leaves out."""


def read(config: Mapping[str, Any]) -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    biases = {"bias": theirs["attention_bias"], "ffn": {"bias": theirs["mlp_bias"]}}
    return decoder.read(theirs, model_type, "hidden_act", {"decoder": biases})


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    stack = lone(config, "decoder", architecture)
    divides(config, stack, architecture)
    tree = decoder.write(config, architecture, model_type, "hidden_act", vocabulary)
    return {**tree, "attention_bias": stack.bias, "mlp_bias": stack.ffn.bias}


def rules(config: ModelConfig) -> Table:
    return decoder.rules(config)
