"""What the decoders that descend from LLaMA share: most of config.json, and most names of weights.

Each family adds what it does differently. Refuses to know which families there are.
"""

from collections.abc import Mapping
from typing import Any

from trivium.base.config import merge, parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.rules import Copy, Drop, Rule, Table, each, linear
from trivium.interop.spelling import expect, lone, read_activation, read_rope, write_activation, write_ids, write_rope
from trivium.model.attention.pattern import Causal, Pattern, Window
from trivium.model.config import ModelConfig
from trivium.model.layer.ffn import GLU
from trivium.model.layer.norm import RMSNorm
from trivium.model.layer.position import RoPE
from trivium.model.stack import StackConfig

Tree = dict[str, Any]

NORMS = ("input_layernorm", "post_attention_layernorm")
"""The norms of a layer in the order in which we apply them."""


def read(theirs: Mapping[str, Any], preset: str, activation: str, changes: Tree) -> ModelConfig:
    """Our config of what they share, with `changes` laid over the tree; `activation` is the key of that name."""
    tree = {
        "preset": preset,
        "vocab_size": theirs["vocab_size"],
        "hidden_size": theirs["hidden_size"],
        "context": theirs["max_position_embeddings"],
        "tie": theirs["tie_word_embeddings"],
        "decoder": {
            "layers": theirs["num_hidden_layers"],
            "heads": theirs["num_attention_heads"],
            "kv_heads": theirs["num_key_value_heads"],
            "head_size": theirs["head_dim"],
            "norm": {"eps": float(theirs["rms_norm_eps"])},
            "ffn": {"activation": read_activation(theirs[activation], activation), "size": theirs["intermediate_size"]},
            "position": [read_rope(theirs)],
            "attention_dropout": float(theirs["attention_dropout"] or 0.0),
        },
    }
    return parse(ModelConfig, merge(tree, changes), preset)


def write(
    config: ModelConfig, architecture: str, model_type: str, activation: str, vocabulary: Vocabulary | None
) -> Tree:
    """Their config.json of what they share."""
    decoder = lone(config, "decoder", architecture)
    norm = expect(decoder.norm, RMSNorm, "decoder.norm", architecture)
    ffn = expect(decoder.ffn, GLU, "decoder.ffn", architecture)
    rope = expect(decoder.position[0], RoPE, "decoder.position", architecture)
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": ffn.width(config.hidden_size),
        "num_hidden_layers": decoder.layers,
        "num_attention_heads": decoder.heads,
        "num_key_value_heads": decoder.kv_heads or decoder.heads,
        "head_dim": decoder.head_width(config.hidden_size),
        activation: write_activation(ffn.activation),
        "max_position_embeddings": config.context,
        "initializer_range": config.init.std,
        "rms_norm_eps": norm.eps,
        "tie_word_embeddings": config.tie,
        "attention_dropout": decoder.attention_dropout,
        **write_rope(rope),
        **write_ids(vocabulary),
    }


def windows(decoder: StackConfig) -> list[int]:
    """The sizes of the windows of its layers."""
    patterns: list[Pattern] = [decoder.kind(layer)[0] for layer in range(decoder.layers)]
    return [pattern.size for pattern in patterns if isinstance(pattern, Window)]


def patterns(types: list[str], size: int | None) -> list[Pattern]:
    """The pattern of each layer by its word in `layer_types`."""
    if "sliding_attention" in types and not size:
        raise ModelError("sliding_window: needed by layer_types, and not given")
    return [Window(size=size) if word == "sliding_attention" else Causal() for word in types]  # type: ignore[arg-type]


def rules(config: ModelConfig, norms: tuple[str, ...] = NORMS, qk_norm: bool = False) -> Table:
    """What each weight is called."""
    decoder = config.decoder
    assert decoder is not None
    head = Copy("lm_head.weight", "model.embed_tokens.weight") if config.tie else Rule("head.weight", "lm_head.weight")
    ours, theirs = "decoder.blocks.{i}", "model.layers.{i}"
    layer = [Rule(f"{ours}.residual.norms.{n}.weight", f"{theirs}.{norm}.weight") for n, norm in enumerate(norms)]
    for part in "qkvo":
        layer += linear(f"{ours}.attention.{part}", f"{theirs}.self_attn.{part}_proj", decoder.bias)
    for part in ("q_norm", "k_norm") if qk_norm else ():
        layer.append(Rule(f"{ours}.attention.{part}.weight", f"{theirs}.self_attn.{part}.weight"))
    for part in ("gate", "up", "down"):
        layer += linear(f"{ours}.ffn.{part}", f"{theirs}.mlp.{part}_proj", decoder.ffn.bias)
    return [
        Rule("tokens.weight", "model.embed_tokens.weight"),
        *each(decoder.layers, layer),
        Rule("decoder.norm.weight", "model.norm.weight"),
        head,
        Drop(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq"),
    ]
