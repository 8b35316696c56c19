"""LlamaForCausalLM: LLaMA 1 to 3 and everything that was made to look like it."""

from collections.abc import Mapping
from typing import Any

from trivium.base.config import parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.rules import Copy, Drop, Rule, Table, each, linear
from trivium.interop.spelling import expect, read_activation, read_rope, write_activation, write_ids, write_rope
from trivium.model.config import ModelConfig
from trivium.model.norm import RMS
from trivium.model.position import RoPE

architecture, model_type, prefix = "LlamaForCausalLM", "llama", "model."

DEFAULTS: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
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
    tree = {
        "preset": "llama",
        "vocab_size": theirs["vocab_size"],
        "hidden_size": theirs["hidden_size"],
        "context": theirs["max_position_embeddings"],
        "tie": theirs["tie_word_embeddings"],
        "decoder": {
            "layers": theirs["num_hidden_layers"],
            "heads": theirs["num_attention_heads"],
            "kv_heads": theirs.get("num_key_value_heads"),
            "head_size": theirs.get("head_dim"),
            "norm": {"kind": "rms", "eps": float(theirs["rms_norm_eps"])},
            "ffn": {
                "kind": "glu",
                "activation": read_activation(theirs["hidden_act"], "hidden_act"),
                "size": theirs["intermediate_size"],
                "bias": theirs["mlp_bias"],
            },
            "position": [read_rope(theirs)],
            "bias": theirs["attention_bias"],
            "attention_dropout": float(theirs["attention_dropout"] or 0.0),
        },
    }
    return parse(ModelConfig, tree, model_type)


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    decoder = config.decoder
    if decoder is None or config.encoder is not None:
        raise ModelError(f"stacks: {config.family}, {architecture} has decoder")
    if config.hidden_size % decoder.heads:
        raise ModelError(f"heads: {decoder.heads}, {architecture} needs a divisor of hidden_size {config.hidden_size}")
    norm = expect(decoder.norm, RMS, "decoder.norm", architecture)
    rope = expect(decoder.position[0], RoPE, "decoder.position", architecture)
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": decoder.ffn.width(config.hidden_size),
        "num_hidden_layers": decoder.layers,
        "num_attention_heads": decoder.heads,
        "num_key_value_heads": decoder.kv_heads or decoder.heads,
        "head_dim": decoder.head_width(config.hidden_size),
        "hidden_act": write_activation(decoder.ffn.activation),
        "max_position_embeddings": config.context,
        "initializer_range": config.init.std,
        "rms_norm_eps": norm.eps,
        "tie_word_embeddings": config.tie,
        "attention_bias": decoder.bias,
        "attention_dropout": decoder.attention_dropout,
        "mlp_bias": decoder.ffn.bias,
        **write_rope(rope),
        **write_ids(vocabulary),
    }


def rules(config: ModelConfig) -> Table:
    decoder = config.decoder
    assert decoder is not None
    head = Copy("lm_head.weight", "model.embed_tokens.weight") if config.tie else Rule("head.weight", "lm_head.weight")
    ours, theirs = "decoder.blocks.{i}", "model.layers.{i}"
    layer = [
        Rule(f"{ours}.residual.norms.0.weight", f"{theirs}.input_layernorm.weight"),
        Rule(f"{ours}.residual.norms.1.weight", f"{theirs}.post_attention_layernorm.weight"),
        *(r for x in "qkvo" for r in linear(f"{ours}.attention.{x}", f"{theirs}.self_attn.{x}_proj", decoder.bias)),
        *(
            rule
            for part in ("gate", "up", "down")
            for rule in linear(f"{ours}.ffn.{part}", f"{theirs}.mlp.{part}_proj", decoder.ffn.bias)
        ),
    ]
    return [
        Rule("tokens.weight", "model.embed_tokens.weight"),
        *each(decoder.layers, layer),
        Rule("decoder.norm.weight", "model.norm.weight"),
        head,
        Drop(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq"),
    ]
