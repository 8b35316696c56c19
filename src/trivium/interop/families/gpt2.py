"""GPT2LMHeadModel: learned positions, LayerNorm, and linear layers stored as [in, out]."""

from collections.abc import Mapping
from typing import Any

from trivium.base.config import parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.rules import Copy, Drop, Rule, Table, each, linear
from trivium.interop.spelling import divides, expect, lone, read_activation, write_activation, write_ids
from trivium.model.config import ModelConfig
from trivium.model.layer.ffn import MLP
from trivium.model.layer.norm import LayerNorm

architecture, model_type, prefix = "GPT2LMHeadModel", "gpt2", "transformer."

DEFAULTS: dict[str, Any] = {
    "vocab_size": 50257,
    "n_positions": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "n_inner": None,
    "activation_function": "gelu_new",
    "resid_pdrop": 0.1,
    "attn_pdrop": 0.1,
    "layer_norm_epsilon": 1e-5,
    "tie_word_embeddings": True,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
"""What the stock class takes for a key that config.json leaves out."""


def read(config: Mapping[str, Any]) -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    for key in ("scale_attn_by_inverse_layer_idx", "add_cross_attention"):
        if theirs[key]:
            raise ModelError(f"{key}: true is not supported, expected false")
    tree = {
        "preset": "gpt2",
        "vocab_size": theirs["vocab_size"],
        "hidden_size": theirs["n_embd"],
        "context": theirs["n_positions"],
        "tie": theirs["tie_word_embeddings"],
        "decoder": {
            "layers": theirs["n_layer"],
            "heads": theirs["n_head"],
            "norm": {"kind": "layer", "eps": float(theirs["layer_norm_epsilon"])},
            "ffn": {
                "kind": "mlp",
                "activation": read_activation(theirs["activation_function"], "activation_function"),
                "size": theirs["n_inner"],
            },
            "score_scale": None if theirs["scale_attn_weights"] else 1.0,
            "dropout": float(theirs["resid_pdrop"]),
            "attention_dropout": float(theirs["attn_pdrop"]),
        },
    }
    return parse(ModelConfig, tree, model_type)


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    decoder = lone(config, "decoder", architecture)
    divides(config, decoder, architecture)
    norm = expect(decoder.norm, LayerNorm, "decoder.norm", architecture)
    ffn = expect(decoder.ffn, MLP, "decoder.ffn", architecture)
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": config.vocab_size,
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.hidden_size,
        "n_layer": decoder.layers,
        "n_head": decoder.heads,
        "n_inner": ffn.width(config.hidden_size),
        "activation_function": write_activation(ffn.activation),
        "resid_pdrop": decoder.dropout,
        "embd_pdrop": decoder.dropout,
        "attn_pdrop": decoder.attention_dropout,
        "layer_norm_epsilon": norm.eps,
        "initializer_range": config.init.std,
        "scale_attn_weights": decoder.score_scale != 1.0,
        "tie_word_embeddings": config.tie,
        **write_ids(vocabulary),
    }


def rules(config: ModelConfig) -> Table:
    decoder = config.decoder
    assert decoder is not None
    head = Copy("lm_head.weight", "transformer.wte.weight") if config.tie else Rule("head.weight", "lm_head.weight")
    ours, theirs = "decoder.blocks.{i}", "transformer.h.{i}"
    qkv = tuple(f"{ours}.attention.{part}" for part in "qkv")
    layer = [
        *linear(f"{ours}.residual.norms.0", f"{theirs}.ln_1", bias=True),
        *linear(f"{ours}.residual.norms.1", f"{theirs}.ln_2", bias=True),
        *linear(qkv, f"{theirs}.attn.c_attn", bias=True, transpose=True),
        *linear(f"{ours}.attention.o", f"{theirs}.attn.c_proj", bias=True, transpose=True),
        *linear(f"{ours}.ffn.up", f"{theirs}.mlp.c_fc", bias=True, transpose=True),
        *linear(f"{ours}.ffn.down", f"{theirs}.mlp.c_proj", bias=True, transpose=True),
    ]
    return [
        Rule("tokens.weight", "transformer.wte.weight"),
        Rule("inputs.decoder.position.weight", "transformer.wpe.weight"),
        *each(decoder.layers, layer),
        *linear("decoder.norm", "transformer.ln_f", bias=True),
        head,
        Drop(r"transformer\.h\.\d+\.attn\.(bias|masked_bias)"),
    ]
