"""LLaMA's table, and `heir`: a class that descends from LLaMA states its defaults and what it does differently."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, DROPOUT, Entry, Tree, key, std, unread
from trivium.interop.layers import FULL, SLIDING, Word, layer_types, sliding
from trivium.interop.rope import rope
from trivium.interop.rules import Copy, Drop, Rule, Table, layers
from trivium.model.attention.pattern import Pattern
from trivium.model.config import ModelConfig
from trivium.model.layer.norm import NoNorm

LLAMA: dict[str, Entry] = {
    "vocab_size": key("vocab_size", 32000, "vocab_size"),
    "hidden_size": key("hidden_size", 4096, "hidden_size"),
    "intermediate_size": key("intermediate_size", 11008, "*.ffn.size"),
    "num_hidden_layers": key("num_hidden_layers", 32, "*.layers"),
    "num_attention_heads": key("num_attention_heads", 32, "*.heads"),
    "num_key_value_heads": key("num_key_value_heads", None, "*.kv_heads"),
    "head_dim": key("head_dim", None, "*.head_size"),
    "hidden_act": key("hidden_act", "silu", "*.ffn.activation", ACTIVATION),
    "max_position_embeddings": key("max_position_embeddings", 2048, "context"),
    "rms_norm_eps": key("rms_norm_eps", 1e-6, "*.norm.eps"),
    "tie_word_embeddings": key("tie_word_embeddings", False, "tie"),
    "attention_dropout": key("attention_dropout", 0.0, "*.attention_dropout", DROPOUT),
    "rope": rope(),
    "initializer_range": std("initializer_range"),
    "unread": unread("use_cache", "pretraining_tp"),
}
ATTENTION_BIAS = key("attention_bias", False, "*.bias")
MLP_BIAS = key("mlp_bias", False, "*.ffn.bias")
QK_EPS = key("rms_norm_eps", 1e-6, "*.norm.eps *.qk_norm.eps")

NORMS = ("input_layernorm", "post_attention_layernorm")
"""The norms of a layer, in the order in which we apply them; an empty name is a place without a norm."""
SPLIT = {f"attention.{part}": f"self_attn.{part}_proj" for part in "qkvo"}
SPLIT |= {f"ffn.{part}": f"mlp.{part}_proj" for part in ("gate", "up", "down")}
"""Our matrices of a layer (several: stacked) -> theirs."""


def heir(
    architecture: str,
    model_type: str,
    *more: Entry,
    norms: tuple[str, ...] = NORMS,
    matrices: Mapping[str, str] = SPLIT,
    **rows: Any,
) -> Family:
    """Return a class that descends from LLaMA.

    `rows` replace rows of LLaMA's table: an entry, or another default. `more` are keys that LLaMA's class lacks.
    """
    assert set(rows) <= set(LLAMA), f"LLaMA's table has no {set(rows) - set(LLAMA)}"
    changed = {
        name: row if isinstance(row, Entry) else replace(LLAMA[name], defaults={name: row})
        for name, row in rows.items()
    }
    names = partial(body, norms=norms, matrices=matrices)
    return Family(architecture, model_type, "model.", [*(LLAMA | changed).values(), *more], names, head)


def late(theirs: Tree, layer: int) -> str:
    """Return Qwen's word of a layer: a window from `max_window_layers` on, if `use_sliding_window` says so."""
    return SLIDING if _switched(theirs) and layer >= theirs["max_window_layers"] else FULL


def _switched(theirs: Tree) -> Pattern | None:
    return sliding(theirs) if theirs["use_sliding_window"] else None


def windows(word: Word = late) -> Entry:
    """Return the entry of windows in the layers that `word` says, once they are switched on."""

    def tell(types: list[str], size: int | None) -> Tree:
        first = types.index(SLIDING) if SLIDING in types else len(types)
        return {"use_sliding_window": size is not None, "sliding_window": size, "max_window_layers": first}

    defaults = {"sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 28}
    return layer_types(word, defaults, _switched, tell)


def body(config: ModelConfig, norms: tuple[str, ...] = NORMS, matrices: Mapping[str, str] = SPLIT) -> Table:
    """Return the names of the weights of the stack."""
    ((name, stack),) = config.stacks.items()
    attention = stack.attention(config.hidden_size)
    biased = {"attention": attention.bias, "attention.o": attention.output_bias, "ffn": stack.ffn.bias}
    named = partial(layers, stack.layers, f"{name}.blocks", "model.layers")
    places = {f"residual.norms.{n}": norm for n, norm in enumerate(norms) if norm}
    if not isinstance(stack.qk_norm, NoNorm):
        places |= {f"attention.{norm}": f"self_attn.{norm}" for norm in ("q_norm", "k_norm")}
    table = named(places, bias=False)
    for parts, matrix in matrices.items():
        table += named({parts: matrix}, bias=biased.get(parts, biased[parts.split(".")[0]]))
    return [
        Rule("tokens.weight", "model.embed_tokens.weight"),
        *table,
        Rule(f"{name}.norm.weight", "model.norm.weight"),
        Drop(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq"),
    ]


def head(config: ModelConfig) -> Table:
    """Return the names of the weights of the head; a tied matrix may be stored again."""
    bias = [Rule("head.bias", "lm_head.bias")] if getattr(config.head, "bias", False) else []
    tied = Copy("lm_head.weight", "model.embed_tokens.weight")
    return [tied if config.tie else Rule("head.weight", "lm_head.weight"), *bias]
