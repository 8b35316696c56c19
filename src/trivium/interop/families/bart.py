"""BartForConditionalGeneration: the encoder-decoder of 2017 with learned positions and a normalised embedding."""

from collections.abc import Mapping
from typing import Any

from trivium.base.config import parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.rules import Copy, Rule, Table, each, linear
from trivium.interop.spelling import expect, read_activation, write_activation, write_ids
from trivium.model.config import ModelConfig
from trivium.model.layer.embed import Tokens
from trivium.model.layer.ffn import MLP
from trivium.model.layer.residual import Pre

architecture, model_type, prefix = "BartForConditionalGeneration", "bart", "model."

DEFAULTS: dict[str, Any] = {
    "vocab_size": 50265,
    "d_model": 1024,
    "max_position_embeddings": 1024,
    **{
        f"{name}_{key}": value
        for name in ("encoder", "decoder")
        for key, value in {"layers": 12, "ffn_dim": 4096, "attention_heads": 16}.items()
    },
    "activation_function": "gelu",
    "dropout": 0.1,
    "attention_dropout": 0.0,
    "scale_embedding": False,
    "tie_word_embeddings": True,
}
"""What the stock class takes for a key that config.json leaves out."""


def read(config: Mapping[str, Any], preset: str = "bart") -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    if not theirs["tie_word_embeddings"]:  # the stock class then has three tables: of encoder, decoder and head
        raise ModelError("tie_word_embeddings: false is not supported, expected true")

    def stack(name: str) -> dict[str, Any]:
        return {
            "layers": theirs[f"{name}_layers"],
            "heads": theirs[f"{name}_attention_heads"],
            "ffn": {
                "activation": read_activation(theirs["activation_function"], "activation_function"),
                "size": theirs[f"{name}_ffn_dim"],
            },
            "dropout": float(theirs["dropout"]),
            "attention_dropout": float(theirs["attention_dropout"]),
        }

    tree = {
        "preset": preset,
        "vocab_size": theirs["vocab_size"],
        "hidden_size": theirs["d_model"],
        "context": theirs["max_position_embeddings"],
        "embed": {"scale": theirs["scale_embedding"]},
        "encoder": stack("encoder"),
        "decoder": stack("decoder"),
    }
    return parse(ModelConfig, tree, preset)


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    return write_as(config, architecture, model_type, vocabulary)


def write_as(config: ModelConfig, architecture: str, model_type: str, vocabulary: Vocabulary | None) -> dict[str, Any]:
    """The config.json of this family or one that differs in where norms stand."""
    embed = expect(config.embed, Tokens, "embed", architecture)
    if not config.tie:
        raise ModelError(f"tie: False, {architecture} has True")
    tree: dict[str, Any] = {}
    for name in ("encoder", "decoder"):
        if (stack := config.stacks.get(name)) is None:
            raise ModelError(f"stacks: {config.family}, {architecture} has encoder_decoder")
        if config.hidden_size % stack.heads:
            raise ModelError(f"{name}.heads: {stack.heads}, {architecture} needs a divisor of {config.hidden_size}")
        ffn = expect(stack.ffn, MLP, f"{name}.ffn", architecture)
        tree |= {
            f"{name}_layers": stack.layers,
            f"{name}_attention_heads": stack.heads,
            f"{name}_ffn_dim": ffn.width(config.hidden_size),
            "activation_function": write_activation(ffn.activation),
            "dropout": stack.dropout,
            "attention_dropout": stack.attention_dropout,
        }
    pre = all(isinstance(stack.residual, Pre) for stack in config.stacks.values())
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "is_encoder_decoder": True,
        "vocab_size": config.vocab_size,
        "d_model": config.hidden_size,
        "max_position_embeddings": config.context,
        **tree,
        "init_std": config.init.std,
        "scale_embedding": embed.scale,
        "tie_word_embeddings": True,
        **write_ids(vocabulary),
        "decoder_start_token_id": vocabulary.eos if vocabulary else None,
        "forced_eos_token_id": None,  # the stock class would take 2
        # What the stock class takes for granted and other readers ask for.
        "normalize_before": pre,
        "add_final_layer_norm": pre,
        "normalize_embedding": True,
        "static_position_embeddings": False,
        "add_bias_logits": True,
    }


def rules(config: ModelConfig) -> Table:
    table: list[Rule] = [Rule("tokens.weight", "model.shared.weight")]
    for name, stack in config.stacks.items():
        ours, theirs = f"{name}.blocks.{{i}}", f"model.{name}.layers.{{i}}"
        attentions = {"attention": "self_attn", **({"cross": "encoder_attn"} if name == "decoder" else {})}
        layer: list[Rule] = []
        for at, (attention, word) in enumerate(attentions.items()):
            for part, letter in {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}.items():
                layer += linear(f"{ours}.{attention}.{part}", f"{theirs}.{word}.{letter}", bias=True)
            layer += linear(f"{ours}.residual.norms.{at}", f"{theirs}.{word}_layer_norm", bias=True)
        layer += linear(f"{ours}.ffn.up", f"{theirs}.fc1", bias=True)
        layer += linear(f"{ours}.ffn.down", f"{theirs}.fc2", bias=True)
        layer += linear(f"{ours}.residual.norms.{len(attentions)}", f"{theirs}.final_layer_norm", bias=True)
        table += each(stack.layers, layer)
        table.append(Rule(f"inputs.{name}.position.weight", f"model.{name}.embed_positions.weight"))
        table += linear(f"inputs.{name}.norm", f"model.{name}.layernorm_embedding", bias=True)
        if stack.residual.final:
            table += linear(f"{name}.norm", f"model.{name}.layer_norm", bias=True)
    copies = [Copy(f"model.{name}.embed_tokens.weight", "model.shared.weight") for name in config.stacks]
    copies.append(Copy("lm_head.weight", "model.shared.weight"))
    return [*table, Rule("head.bias", "final_logits_bias", row=True, optional=True), *copies]
