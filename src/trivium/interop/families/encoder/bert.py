"""BertForMaskedLM. The pooler and the next-sentence head are left out: no task of ours reads them."""

from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Entry, Key, Only, Unread, std
from trivium.interop.rules import Copy, Drop, Rule, Table, each, linear
from trivium.model.config import ModelConfig

SHARED: list[Entry] = [
    Key("hidden_size", 768, "hidden_size"),
    Key("num_hidden_layers", 12, "*.layers"),
    Key("num_attention_heads", 12, "*.heads"),
    Key("intermediate_size", 3072, "*.ffn.size"),
    Key("hidden_dropout_prob", 0.1, "*.dropout"),
    Key("attention_probs_dropout_prob", 0.1, "*.attention_dropout"),
    Key("type_vocab_size", 2, "embed.types"),
    Key("layer_norm_eps", 1e-12, "*.norm.eps embed.norm.eps head.norm.eps"),
    Only("position_embedding_type", "absolute", told=True),
    Only("tie_word_embeddings", True, told=True),
    Only("is_decoder", False),
    Only("add_cross_attention", False),
    std("initializer_range"),
    Unread("use_cache"),
]
"""The keys that BERT and RoBERTa have in common."""
KEYS = [
    Key("vocab_size", 30522, "vocab_size"),
    Key("hidden_act", "gelu", "*.ffn.activation head.activation", ACTIVATION),
    Key("max_position_embeddings", 512, "context"),
    *SHARED,
]
LAYER = {
    "attention.q": "attention.self.query",
    "attention.k": "attention.self.key",
    "attention.v": "attention.self.value",
    "attention.o": "attention.output.dense",
    "residual.norms.0": "attention.output.LayerNorm",
    "ffn.up": "intermediate.dense",
    "ffn.down": "output.dense",
    "residual.norms.1": "output.LayerNorm",
}


def body(config: ModelConfig, root: str = "bert") -> Table:
    """Return the names of the weights of a BERT that stands under `root`."""
    assert config.encoder is not None
    ours, theirs = "encoder.blocks.{i}", f"{root}.encoder.layer.{{i}}"
    layer = [rule for part, word in LAYER.items() for rule in linear(f"{ours}.{part}", f"{theirs}.{word}")]
    return [
        Rule("tokens.weight", f"{root}.embeddings.word_embeddings.weight"),
        Rule("inputs.encoder.position.weight", f"{root}.embeddings.position_embeddings.weight"),
        Rule("inputs.encoder.types.weight", f"{root}.embeddings.token_type_embeddings.weight"),
        *linear("inputs.encoder.norm", f"{root}.embeddings.LayerNorm"),
        *each(config.encoder.layers, layer),
        Drop(rf"{root}\.pooler\.dense\.(weight|bias)|{root}\.embeddings\.position_ids|cls\.seq_relationship\..*"),
    ]


def head(config: ModelConfig) -> Table:
    return masked("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions")


def masked(dense: str, norm: str, out: str, table: str = "bert.embeddings.word_embeddings.weight") -> Table:
    """Return the names of a tied head of masked tokens: its dense layer, its norm, its matrix and bias under `out`."""
    return [
        *linear("head.dense", dense),
        *linear("head.norm", norm),
        Rule("head.bias", f"{out}.bias"),
        Copy(f"{out}.decoder.weight", table),
        Copy(f"{out}.decoder.bias", f"{out}.bias"),
    ]


FAMILY = Family("BertForMaskedLM", "bert", "bert.", KEYS, body, head)
