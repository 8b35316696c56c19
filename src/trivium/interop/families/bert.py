"""BertForMaskedLM, and BertModel for what has no head. The pooler and next-sentence head are left out: no task of
ours reads them."""

from collections.abc import Mapping
from typing import Any

from trivium.base.config import merge, parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.rules import Copy, Drop, Rule, Table, each, linear
from trivium.interop.spelling import divides, expect, lone, read_activation, write_activation, write_ids
from trivium.model.config import ModelConfig
from trivium.model.layer.embed import Tokens
from trivium.model.layer.ffn import MLP
from trivium.model.layer.head import MLM, Hidden
from trivium.model.layer.norm import LayerNorm

architecture, model_type, prefix = "BertForMaskedLM", "bert", "bert."

DEFAULTS: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "tie_word_embeddings": True,
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}
"""What the stock class takes for a key that config.json leaves out."""


def read(config: Mapping[str, Any]) -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    head = {"activation": read_activation(theirs["hidden_act"], "hidden_act")}
    return read_body(theirs, model_type, theirs["max_position_embeddings"], {"head": head})


def read_body(theirs: Mapping[str, Any], preset: str, context: int, changes: dict[str, Any]) -> ModelConfig:
    """Our config of what BERT and its heirs share, with `changes` laid over the tree."""
    for key in ("position_embedding_type", "is_decoder", "add_cross_attention"):
        if theirs[key] != (wanted := DEFAULTS[key]):
            raise ModelError(f"{key}: {theirs[key]!r} is not supported, expected {wanted!r}")
    norm = {"kind": "layer", "eps": float(theirs["layer_norm_eps"])}
    tree = {
        "preset": preset,
        "vocab_size": theirs["vocab_size"],
        "hidden_size": theirs["hidden_size"],
        "context": context,
        "tie": theirs["tie_word_embeddings"],
        "embed": {"types": theirs["type_vocab_size"], "norm": norm},
        "encoder": {
            "layers": theirs["num_hidden_layers"],
            "heads": theirs["num_attention_heads"],
            "norm": norm,
            "ffn": {
                "activation": read_activation(theirs["hidden_act"], "hidden_act"),
                "size": theirs["intermediate_size"],
            },
            "dropout": float(theirs["hidden_dropout_prob"]),
            "attention_dropout": float(theirs["attention_probs_dropout_prob"]),
        },
        "head": {"norm": norm},
    }
    tree = merge(tree, changes)
    if bare(theirs):
        tree["head"] = {"kind": "none"}
    return parse(ModelConfig, tree, preset)


def bare(theirs: Mapping[str, Any]) -> bool:
    """Whether config.json says that there is no head."""
    return any(str(name).endswith("Model") for name in theirs.get("architectures") or ())


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    return {**write_body(config, architecture, model_type, vocabulary), "max_position_embeddings": config.context}


def write_body(
    config: ModelConfig, architecture: str, model_type: str, vocabulary: Vocabulary | None
) -> dict[str, Any]:
    """Their config.json of what BERT and its heirs share."""
    encoder = lone(config, "encoder", architecture)
    divides(config, encoder, architecture)
    if not config.tie:
        raise ModelError(f"tie: False, {architecture} has True")
    headless = isinstance(config.head, Hidden)
    if not headless:
        expect(config.head, MLM, "head", architecture)
    norm = expect(encoder.norm, LayerNorm, "encoder.norm", architecture)
    ffn = expect(encoder.ffn, MLP, "encoder.ffn", architecture)
    embed = expect(config.embed, Tokens, "embed", architecture)
    return {
        "architectures": [architecture.replace("ForMaskedLM", "Model") if headless else architecture],
        "model_type": model_type,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": encoder.layers,
        "num_attention_heads": encoder.heads,
        "intermediate_size": ffn.width(config.hidden_size),
        "hidden_act": write_activation(ffn.activation),
        "hidden_dropout_prob": encoder.dropout,
        "attention_probs_dropout_prob": encoder.attention_dropout,
        "type_vocab_size": embed.types,
        "initializer_range": config.init.std,
        "layer_norm_eps": norm.eps,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": True,
        **write_ids(vocabulary),
    }


def rules(config: ModelConfig) -> Table:
    head = [
        *linear("head.dense", "cls.predictions.transform.dense", bias=True),
        *linear("head.norm", "cls.predictions.transform.LayerNorm", bias=True),
        Rule("head.bias", "cls.predictions.bias"),
    ]
    copies = [
        Copy("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
        Copy("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ]
    extra = Drop(r"bert\.pooler\.dense\.(weight|bias)|bert\.embeddings\.position_ids|cls\.seq_relationship\..*")
    if isinstance(config.head, Hidden):
        return [*rules_body(config, "bert"), extra, Drop(r"cls\..*")]
    return [*rules_body(config, "bert"), *head, *copies, extra]


def rules_body(config: ModelConfig, root: str) -> list[Rule]:
    """What the weights of BERT and its heirs are called, the head left out."""
    assert config.encoder is not None
    ours, theirs = "encoder.blocks.{i}", f"{root}.encoder.layer.{{i}}"
    layer = [
        *linear(f"{ours}.attention.q", f"{theirs}.attention.self.query", bias=True),
        *linear(f"{ours}.attention.k", f"{theirs}.attention.self.key", bias=True),
        *linear(f"{ours}.attention.v", f"{theirs}.attention.self.value", bias=True),
        *linear(f"{ours}.attention.o", f"{theirs}.attention.output.dense", bias=True),
        *linear(f"{ours}.residual.norms.0", f"{theirs}.attention.output.LayerNorm", bias=True),
        *linear(f"{ours}.ffn.up", f"{theirs}.intermediate.dense", bias=True),
        *linear(f"{ours}.ffn.down", f"{theirs}.output.dense", bias=True),
        *linear(f"{ours}.residual.norms.1", f"{theirs}.output.LayerNorm", bias=True),
    ]
    return [
        Rule("tokens.weight", f"{root}.embeddings.word_embeddings.weight"),
        Rule("inputs.encoder.position.weight", f"{root}.embeddings.position_embeddings.weight"),
        Rule("inputs.encoder.types.weight", f"{root}.embeddings.token_type_embeddings.weight"),
        *linear("inputs.encoder.norm", f"{root}.embeddings.LayerNorm", bias=True),
        *each(config.encoder.layers, layer),
    ]
