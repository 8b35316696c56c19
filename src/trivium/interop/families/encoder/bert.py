"""BertForMaskedLM. The pooler and the next-sentence head are left out: no task of ours reads them."""

from collections.abc import Mapping

from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Entry, key, only, std, unread
from trivium.interop.rules import Copy, Drop, Rule, Table, layers, linear
from trivium.model.config import ModelConfig

SHARED: list[Entry] = [
    key("hidden_size", 768, "hidden_size"),
    key("num_hidden_layers", 12, "*.layers"),
    key("num_attention_heads", 12, "*.heads"),
    key("intermediate_size", 3072, "*.ffn.size"),
    key("hidden_dropout_prob", 0.1, "*.dropout"),
    key("attention_probs_dropout_prob", 0.1, "*.attention_dropout"),
    key("type_vocab_size", 2, "embed.types"),
    key("layer_norm_eps", 1e-12, "*.norm.eps embed.norm.eps head.norm.eps"),
    only("position_embedding_type", "absolute", write=True),
    only("tie_word_embeddings", True, write=True),
    only("is_decoder", False),
    only("add_cross_attention", False),
    std("initializer_range"),
    unread("use_cache"),
]
"""The keys that BERT and RoBERTa have in common."""
KEYS = [
    key("vocab_size", 30522, "vocab_size"),
    key("hidden_act", "gelu", "*.ffn.activation head.activation", ACTIVATION),
    key("max_position_embeddings", 512, "context"),
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


def body(
    config: ModelConfig, root: str = "bert", blocks: str = "encoder.layer", parts: Mapping[str, str] = LAYER
) -> Table:
    """Return the names of the weights of a BERT under `root`, with its layers in `blocks`; `parts` names a layer's."""
    tables = {"tokens": "word", "inputs.encoder.position": "position", "inputs.encoder.types": "token_type"}
    if not getattr(config.embed, "types", 0):
        del tables["inputs.encoder.types"]
    return [
        *(Rule(f"{table}.weight", f"{root}.embeddings.{word}_embeddings.weight") for table, word in tables.items()),
        *linear("inputs.encoder.norm", f"{root}.embeddings.LayerNorm"),
        *layers(config.stacks["encoder"].layers, "encoder.blocks", f"{root}.{blocks}", parts),
        Drop(rf"{root}\.pooler\.dense\.(weight|bias)|cls\.seq_relationship\..*", head=True),
        Drop(rf"{root}\.embeddings\.position_ids"),
    ]


def masked(dense: str, norm: str, out: str, root: str, copy: str = "") -> Table:
    """Return the names of a tied head of masked tokens: its dense layer, its norm, and its bias under `out`.

    `copy` is the layer under which files store the tied matrix and the bias again.
    """
    copies = [Copy(f"{copy or out}.weight", f"{root}.embeddings.word_embeddings.weight")]
    if copy:
        copies.append(Copy(f"{copy}.bias", f"{out}.bias"))
    return [*linear("head.dense", dense), *linear("head.norm", norm), Rule("head.bias", f"{out}.bias"), *copies]


OUT = "cls.predictions"
HEAD = masked(f"{OUT}.transform.dense", f"{OUT}.transform.LayerNorm", OUT, "bert", f"{OUT}.decoder")

FAMILY = Family("BertForMaskedLM", "bert", "bert.", KEYS, body, lambda _: HEAD)
