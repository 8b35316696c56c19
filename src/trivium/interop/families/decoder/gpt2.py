"""GPT2LMHeadModel: learned positions, LayerNorm, and linear layers stored as [in, out]."""

from dataclasses import replace

from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Form, key, only, rates, std, told, unread
from trivium.interop.rules import Copy, Drop, Rule, Table, layers, linear
from trivium.model.config import ModelConfig

SCALED = Form({True: None, False: 1.0}.__getitem__, lambda scale: scale != 1.0)
KEYS = [
    key("vocab_size", 50257, "vocab_size"),
    key("n_positions", 1024, "context"),
    key("n_embd", 768, "hidden_size"),
    key("n_layer", 12, "*.layers"),
    key("n_head", 12, "*.heads"),
    key("n_inner", None, "*.ffn.size"),
    key("activation_function", "gelu_new", "*.ffn.activation", ACTIVATION),
    key("resid_pdrop", 0.1, "*.dropout"),
    key("attn_pdrop", 0.1, "*.attention_dropout"),
    key("layer_norm_epsilon", 1e-5, "*.norm.eps"),
    key("tie_word_embeddings", True, "tie"),
    key("scale_attn_weights", True, "*.score_scale", SCALED),
    key("scale_attn_by_inverse_layer_idx", False, "*.score_decay"),
    only("add_cross_attention", False),
    std("initializer_range"),
    told(n_ctx=lambda ours: ours.config.context),
    replace(rates("embd_pdrop", stands="resid_pdrop"), defaults={"embd_pdrop": 0.1}),
    unread(
        *(f"summary_{name}" for name in ("type", "use_proj", "activation", "proj_to_labels", "first_dropout")),
        "reorder_and_upcast_attn",
        "use_cache",
    ),
]


ALIASES = {"hidden_size": "n_embd", "max_position_embeddings": "n_positions", "num_attention_heads": "n_head"}
ALIASES |= {"num_hidden_layers": "n_layer"}
NORMS = ("ln_1", "ln_2")
MATRICES = {
    "attention.q attention.k attention.v": "attn.c_attn",
    "attention.o": "attn.c_proj",
    "ffn.up": "mlp.c_fc",
    "ffn.down": "mlp.c_proj",
}
CROSS = {
    "cross.q": "crossattention.q_attn",
    "cross.k cross.v": "crossattention.c_attn",
    "cross.o": "crossattention.c_proj",
}


def body(config: ModelConfig) -> Table:
    count, norms = config.stacks["decoder"].layers, (NORMS[0], "ln_cross_attn", NORMS[1]) if config.cross else NORMS
    matrices = MATRICES | (CROSS if config.cross else {})
    return [
        Rule("tokens.weight", "transformer.wte.weight"),
        Rule("inputs.decoder.position.weight", "transformer.wpe.weight"),
        *layers(
            count, "decoder.blocks", "transformer.h", {f"residual.norms.{n}": norm for n, norm in enumerate(norms)}
        ),
        *layers(count, "decoder.blocks", "transformer.h", matrices, transpose=True),
        *linear("decoder.norm", "transformer.ln_f"),
        Drop(r"transformer\.h\.\d+\.(attn|crossattention)\.(bias|masked_bias)"),
    ]


def head(config: ModelConfig) -> Table:
    return [Copy("lm_head.weight", "transformer.wte.weight") if config.tie else Rule("head.weight", "lm_head.weight")]


FAMILY = Family("GPT2LMHeadModel", "gpt2", "transformer.", KEYS, body, head, aliases=ALIASES)
