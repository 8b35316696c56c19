"""ModernBertForMaskedLM: pre-norm without biases, gated, windows between global layers, each with its own RoPE."""

from collections.abc import Mapping
from typing import Any

from trivium.base.config import parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.layers import FULL, SLIDING, one, read_types, tile, write_types
from trivium.interop.rules import Copy, Rule, Table, each, linear
from trivium.interop.spelling import divides, expect, lone, read_activation, write_activation, write_ids
from trivium.model.attention.pattern import Full, Window
from trivium.model.config import ModelConfig
from trivium.model.layer.ffn import GLU
from trivium.model.layer.head import MLM
from trivium.model.layer.norm import LayerNorm
from trivium.model.layer.position import RoPE

architecture, model_type, prefix = "ModernBertForMaskedLM", "modernbert", "model."

DEFAULTS: dict[str, Any] = {
    "vocab_size": 50368,
    "hidden_size": 768,
    "intermediate_size": 1152,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "hidden_activation": "gelu",
    "max_position_embeddings": 8192,
    "norm_eps": 1e-5,
    "norm_bias": False,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "global_attn_every_n_layers": 3,
    "local_attention": 128,
    "embedding_dropout": 0.0,
    "mlp_bias": False,
    "decoder_bias": True,
    "classifier_bias": False,
    "classifier_activation": "gelu",
    "tie_word_embeddings": True,
}
"""What the stock class takes for a key that config.json leaves out."""

THETA = {FULL: ("global_rope_theta", 160000.0), SLIDING: ("local_rope_theta", 10000.0)}
"""What older files call the RoPE base of each kind of layer, and what it is by default."""


def read(config: Mapping[str, Any]) -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    layers, every = theirs["num_hidden_layers"], theirs["global_attn_every_n_layers"]
    types = read_types(theirs, layers, lambda layer: SLIDING if layer % every else FULL)
    norm = {"kind": "layer", "eps": float(theirs["norm_eps"]), "bias": theirs["norm_bias"]}
    pattern = {FULL: Full(), SLIDING: Window(size=theirs["local_attention"] // 2 + 1, both=True)}
    position = {word: RoPE(theta=_theta(theirs, word)) for word in THETA}
    tree = {
        "preset": "modernbert",
        "vocab_size": theirs["vocab_size"],
        "hidden_size": theirs["hidden_size"],
        "context": theirs["max_position_embeddings"],
        "tie": theirs["tie_word_embeddings"],
        "embed": {"norm": norm},
        "encoder": {
            "layers": layers,
            "heads": theirs["num_attention_heads"],
            "norm": norm,
            "ffn": {
                "activation": read_activation(theirs["hidden_activation"], "hidden_activation"),
                "size": theirs["intermediate_size"],
                "bias": theirs["mlp_bias"],
            },
            "position": tile([position[word] for word in types]),
            "pattern": tile([pattern[word] for word in types]),
            "bias": theirs["attention_bias"],
            "dropout": float(theirs["embedding_dropout"]),
            "attention_dropout": float(theirs["attention_dropout"]),
        },
        "head": {
            "activation": read_activation(theirs["classifier_activation"], "classifier_activation"),
            "norm": norm,
            "dense_bias": theirs["classifier_bias"],
            "bias": theirs["decoder_bias"],
        },
    }
    return parse(ModelConfig, tree, model_type)


def _theta(theirs: Mapping[str, Any], word: str) -> float:
    old, default = THETA[word]
    table = (theirs.get("rope_parameters") or {}).get(word) or {}
    if (kind := table.get("rope_type", "default")) != "default":
        raise ModelError(f"rope_parameters: rope_type {kind!r} is not supported here, expected 'default'")
    return float(table.get("rope_theta") or theirs.get(old) or default)


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    encoder = lone(config, "encoder", architecture)
    divides(config, encoder, architecture)
    norm = expect(encoder.norm, LayerNorm, "encoder.norm", architecture)
    ffn = expect(encoder.ffn, GLU, "encoder.ffn", architecture)
    head = expect(config.head, MLM, "head", architecture)
    types = write_types(encoder, Window, Full, architecture)
    kinds = [encoder.kind(layer) for layer in range(encoder.layers)]
    sizes = [pattern.size for pattern, _ in kinds if isinstance(pattern, Window)]
    theta = {word: default for word, (_, default) in THETA.items()}
    for word in dict.fromkeys(types):
        ropes = [position for (_, position), its in zip(kinds, types, strict=True) if its == word]
        theta[word] = expect(one(ropes, "encoder.position", architecture), RoPE, "encoder.position", architecture).theta
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": ffn.width(config.hidden_size),
        "num_hidden_layers": encoder.layers,
        "num_attention_heads": encoder.heads,
        "hidden_activation": write_activation(ffn.activation),
        "max_position_embeddings": config.context,
        "initializer_range": config.init.std,
        "norm_eps": norm.eps,
        "norm_bias": norm.bias,
        "attention_bias": encoder.bias,
        "attention_dropout": encoder.attention_dropout,
        "embedding_dropout": encoder.dropout,
        "layer_types": types,
        "global_attn_every_n_layers": _every(types),
        "local_attention": 2 * (one(sizes, "encoder.pattern", architecture) - 1) if sizes else 128,
        "rope_parameters": {word: {"rope_type": "default", "rope_theta": theta[word]} for word in THETA},
        **{old: theta[word] for word, (old, _) in THETA.items()},
        "mlp_bias": ffn.bias,
        "decoder_bias": head.bias,
        "classifier_bias": head.dense_bias,
        "classifier_activation": write_activation(head.activation),
        "tie_word_embeddings": config.tie,
        **write_ids(vocabulary),
        "cls_token_id": vocabulary.bos if vocabulary else None,
        "sep_token_id": vocabulary.eos if vocabulary else None,
    }


def _every(types: list[str]) -> int:
    """The number by which readers before `layer_types` say which layers are global, where there is one."""
    whole = (n for n in range(1, len(types) + 1) if types == [SLIDING if i % n else FULL for i in range(len(types))])
    return next(whole, len(types))


def rules(config: ModelConfig) -> Table:
    encoder, head = config.encoder, config.head
    assert encoder is not None and isinstance(encoder.norm, LayerNorm) and isinstance(head, MLM)
    bias = encoder.norm.bias
    ours, theirs = "encoder.blocks.{i}", "model.layers.{i}"
    first = linear(f"{ours}.residual.norms.0", f"{theirs}.attn_norm", bias)
    layer = [
        *linear(tuple(f"{ours}.attention.{part}" for part in "qkv"), f"{theirs}.attn.Wqkv", encoder.bias),
        *linear(f"{ours}.attention.o", f"{theirs}.attn.Wo", encoder.bias),
        *linear(f"{ours}.residual.norms.1", f"{theirs}.mlp_norm", bias),
        *linear((f"{ours}.ffn.gate", f"{ours}.ffn.up"), f"{theirs}.mlp.Wi", encoder.ffn.bias),
        *linear(f"{ours}.ffn.down", f"{theirs}.mlp.Wo", encoder.ffn.bias),
    ]
    table = "model.embeddings.tok_embeddings.weight"
    return [
        Rule("tokens.weight", table),
        *linear("inputs.encoder.norm", "model.embeddings.norm", bias),
        *(rule.at(i) for i in range(1, encoder.layers) for rule in first),  # the embedding's norm serves layer 0
        *each(encoder.layers, layer),
        *linear("encoder.norm", "model.final_norm", bias),
        *linear("head.dense", "head.dense", head.dense_bias),
        *linear("head.norm", "head.norm", bias),
        *([Rule("head.bias", "decoder.bias")] if head.bias else []),
        Copy("decoder.weight", table) if config.tie else Rule("head.weight", "decoder.weight"),
    ]
