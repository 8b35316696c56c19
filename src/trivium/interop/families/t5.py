"""T5ForConditionalGeneration: T5 (ReLU, tied, scaled head) and T5 v1.1 or FLAN (gated, with a head of its own).

The stock class scales the head exactly where `tie_word_embeddings` is not false. Version 5 writes true for both and
says `scale_decoder_outputs` besides; we read either and write what versions 4 and 5 read alike.
"""

from collections.abc import Mapping
from typing import Any

from trivium.base.config import parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.rules import Copy, Drop, Rule, Table, each
from trivium.interop.spelling import expect, read_activation, write_activation, write_ids
from trivium.model.config import ModelConfig
from trivium.model.layer.ffn import GLU
from trivium.model.layer.head import LM
from trivium.model.layer.norm import RMSNorm
from trivium.model.layer.position import Bucket

architecture, model_type, prefix = "T5ForConditionalGeneration", "t5", ""

DEFAULTS: dict[str, Any] = {
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 6,
    "num_decoder_layers": None,
    "num_heads": 8,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "dropout_rate": 0.1,
    "layer_norm_epsilon": 1e-6,
    "feed_forward_proj": "relu",
    "n_positions": 512,
    "tie_word_embeddings": True,
}
"""What the stock class takes for a key that config.json leaves out."""


def read(config: Mapping[str, Any]) -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    tie = theirs["tie_word_embeddings"] and theirs.get("scale_decoder_outputs") is not False
    bucket = {
        "kind": "bucket",
        "num_buckets": theirs["relative_attention_num_buckets"],
        "max_distance": theirs["relative_attention_max_distance"],
    }
    stack = {
        "heads": theirs["num_heads"],
        "head_size": theirs["d_kv"],
        "norm": {"eps": float(theirs["layer_norm_epsilon"])},
        "ffn": {**_read_ffn(theirs["feed_forward_proj"]), "size": theirs["d_ff"], "bias": False},
        "dropout": float(theirs["dropout_rate"]),
        "attention_dropout": float(theirs["dropout_rate"]),
    }
    layers = theirs["num_decoder_layers"]
    tree = {
        "preset": "t5",
        "vocab_size": theirs["vocab_size"],
        "hidden_size": theirs["d_model"],
        "context": theirs["n_positions"],
        "tie": tie,
        "encoder": {**stack, "layers": theirs["num_layers"], "position": [{**bucket, "bidirectional": True}]},
        "decoder": {**stack, "layers": theirs["num_layers"] if layers is None else layers, "position": [bucket]},
        "head": {"kind": "lm", "scale": tie},
    }
    return parse(ModelConfig, tree, model_type)


def _read_ffn(name: str) -> dict[str, Any]:
    word = name.removeprefix("gated-")
    activation = "gelu_tanh" if name == "gated-gelu" else read_activation(word, "feed_forward_proj")
    return {"kind": "mlp" if word == name else "glu", "activation": activation}


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    encoder, decoder = config.encoder, config.decoder
    if encoder is None or decoder is None:
        raise ModelError(f"stacks: {config.family}, {architecture} has encoder_decoder")
    norm = expect(encoder.norm, RMSNorm, "encoder.norm", architecture)
    bucket = expect(encoder.position[0], Bucket, "encoder.position", architecture)
    activation = write_activation(encoder.ffn.activation)
    if isinstance(encoder.ffn, GLU):
        activation = "gated-" + ("gelu" if encoder.ffn.activation == "gelu_tanh" else activation)
    if (head := expect(config.head, LM, "head", architecture)).scale != config.tie:
        raise ModelError(f"head.scale: {head.scale}, {architecture} has {config.tie} with tie = {config.tie}")
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "is_encoder_decoder": True,
        "vocab_size": config.vocab_size,
        "d_model": config.hidden_size,
        "d_kv": encoder.head_width(config.hidden_size),
        "d_ff": encoder.ffn.width(config.hidden_size),
        "num_layers": encoder.layers,
        "num_decoder_layers": decoder.layers,
        "num_heads": encoder.heads,
        "relative_attention_num_buckets": bucket.num_buckets,
        "relative_attention_max_distance": bucket.max_distance,
        "dropout_rate": encoder.dropout,
        "layer_norm_epsilon": norm.eps,
        "feed_forward_proj": activation,
        "n_positions": config.context,
        "tie_word_embeddings": config.tie,
        **write_ids(vocabulary),
        "decoder_start_token_id": vocabulary.pad if vocabulary else None,
    }


def rules(config: ModelConfig) -> Table:
    table: list[Rule] = [Rule("tokens.weight", "shared.weight")]
    for name, stack in config.stacks.items():
        ours, theirs = f"{name}.blocks.{{i}}", f"{name}.block.{{i}}.layer"
        attentions = ["attention"] + ["cross"] * (name == "decoder")
        layer: list[Rule] = []
        for at, attention in enumerate(attentions):
            word = f"{theirs}.{at}.EncDecAttention" if at else f"{theirs}.{at}.SelfAttention"
            layer += [Rule(f"{ours}.{attention}.{part}.weight", f"{word}.{part}.weight") for part in "qkvo"]
        for at in range(len(attentions) + 1):
            layer.append(Rule(f"{ours}.residual.norms.{at}.weight", f"{theirs}.{at}.layer_norm.weight"))
        gated = isinstance(stack.ffn, GLU)
        parts = {"gate": "wi_0", "up": "wi_1", "down": "wo"} if gated else {"up": "wi", "down": "wo"}
        for part, word in parts.items():
            layer.append(Rule(f"{ours}.ffn.{part}.weight", f"{theirs}.{len(attentions)}.DenseReluDense.{word}.weight"))
        first = f"{name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        table += [*each(stack.layers, layer), Rule(f"{name}.relative.0.table.weight", first)]
        table.append(Rule(f"{name}.norm.weight", f"{name}.final_layer_norm.weight"))
    copies = [Copy(f"{name}.embed_tokens.weight", "shared.weight") for name in config.stacks]
    head = Copy("lm_head.weight", "shared.weight") if config.tie else Rule("head.weight", "lm_head.weight")
    # The first releases carry a bias for cross-attention that was never used.
    unused = Drop(r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight")
    return [*table, *copies, head, unused]
