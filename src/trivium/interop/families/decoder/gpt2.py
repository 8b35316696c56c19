"""GPT2LMHeadModel: learned positions, LayerNorm, and linear layers stored as [in, out]."""

from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Form, Key, Only, Told, Unread, std
from trivium.interop.rules import Copy, Drop, Rule, Table, each, linear
from trivium.model.config import ModelConfig

SCALED = Form({True: None, False: 1.0}.__getitem__, lambda scale: scale != 1.0)
KEYS = [
    Key("vocab_size", 50257, "vocab_size"),
    Key("n_positions", 1024, "context"),
    Key("n_embd", 768, "hidden_size"),
    Key("n_layer", 12, "*.layers"),
    Key("n_head", 12, "*.heads"),
    Key("n_inner", None, "*.ffn.size"),
    Key("activation_function", "gelu_new", "*.ffn.activation", ACTIVATION),
    Key("resid_pdrop", 0.1, "*.dropout"),
    Key("attn_pdrop", 0.1, "*.attention_dropout"),
    Key("layer_norm_epsilon", 1e-5, "*.norm.eps"),
    Key("tie_word_embeddings", True, "tie"),
    Key("scale_attn_weights", True, "*.score_scale", SCALED),
    Only("scale_attn_by_inverse_layer_idx", False),
    Only("add_cross_attention", False),
    std("initializer_range"),
    Told("n_ctx", lambda ours: ours.config.context),
    Told("embd_pdrop", lambda ours: ours.get("*.dropout")),
    Unread(
        *(f"summary_{name}" for name in ("type", "use_proj", "activation", "proj_to_labels", "first_dropout")),
        "reorder_and_upcast_attn",
        "use_cache",
    ),
]


def body(config: ModelConfig) -> Table:
    assert config.decoder is not None
    ours, theirs = "decoder.blocks.{i}", "transformer.h.{i}"
    layer = [
        *linear(f"{ours}.residual.norms.0", f"{theirs}.ln_1"),
        *linear(f"{ours}.residual.norms.1", f"{theirs}.ln_2"),
        *linear(tuple(f"{ours}.attention.{part}" for part in "qkv"), f"{theirs}.attn.c_attn", transpose=True),
        *linear(f"{ours}.attention.o", f"{theirs}.attn.c_proj", transpose=True),
        *linear(f"{ours}.ffn.up", f"{theirs}.mlp.c_fc", transpose=True),
        *linear(f"{ours}.ffn.down", f"{theirs}.mlp.c_proj", transpose=True),
    ]
    return [
        Rule("tokens.weight", "transformer.wte.weight"),
        Rule("inputs.decoder.position.weight", "transformer.wpe.weight"),
        *each(config.decoder.layers, layer),
        *linear("decoder.norm", "transformer.ln_f"),
        Drop(r"transformer\.h\.\d+\.attn\.(bias|masked_bias)"),
    ]


def head(config: ModelConfig) -> Table:
    return [Copy("lm_head.weight", "transformer.wte.weight") if config.tie else Rule("head.weight", "lm_head.weight")]


FAMILY = Family("GPT2LMHeadModel", "gpt2", "transformer.", KEYS, body, head)
