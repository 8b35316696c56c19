"""ModernBertForMaskedLM: pre-norm without biases, gated, windows between full layers, each kind with its own RoPE."""

from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Tree, key, rates, std, token, unread
from trivium.interop.layers import FULL, SLIDING, layer_types
from trivium.interop.rope import rope_by_type
from trivium.interop.rules import Copy, Rule, Table, layers, linear
from trivium.model.attention.pattern import Full, Window
from trivium.model.config import ModelConfig


def word(theirs: Tree, layer: int) -> str:
    """Return the word of a layer: every third sees all, from the first on."""
    return SLIDING if layer % theirs["global_attn_every_n_layers"] else FULL


def tell(types: list[str], size: int | None) -> Tree:
    """Return the keys of the windows: which layers see all, and the width of the others."""
    layers = range(len(types))
    every = (n for n in range(1, len(types)) if types == [SLIDING if i % n else FULL for i in layers])
    return {
        "global_attn_every_n_layers": next(every, len(types)),
        "local_attention": 128 if size is None else 2 * (size - 1),
    }


LOCAL = layer_types(
    word,
    {"local_attention": 128, "global_attn_every_n_layers": 3},
    lambda theirs: Window(size=theirs["local_attention"] // 2 + 1, both=True),
    tell,
    Full(),
)
BASES = {FULL: ("global_rope_theta", 160000.0), SLIDING: ("local_rope_theta", 10000.0)}
KEYS = [
    key("vocab_size", 50368, "vocab_size"),
    key("hidden_size", 768, "hidden_size"),
    key("intermediate_size", 1152, "*.ffn.size"),
    key("num_hidden_layers", 22, "*.layers"),
    key("num_attention_heads", 12, "*.heads"),
    key("hidden_activation", "gelu", "*.ffn.activation", ACTIVATION),
    key("max_position_embeddings", 8192, "context"),
    key("norm_eps", 1e-5, "*.norm.eps embed.norm.eps head.norm.eps"),
    key("norm_bias", False, "*.norm.bias embed.norm.bias head.norm.bias"),
    key("attention_bias", False, "*.bias"),
    key("attention_dropout", 0.0, "*.attention_dropout"),
    key("embedding_dropout", 0.0, "*.dropout"),
    key("mlp_bias", False, "*.ffn.bias"),
    key("decoder_bias", True, "head.bias"),
    key("classifier_bias", False, "head.dense_bias"),
    key("classifier_activation", "gelu", "head.activation", ACTIVATION),
    key("tie_word_embeddings", True, "tie"),
    LOCAL,
    rope_by_type(word, BASES, scaled=set(BASES)),
    rates("mlp_dropout", stands="embedding_dropout"),
    std("initializer_range"),
    token("cls_token_id", "bos"),
    token("sep_token_id", "eos"),
    unread(
        "initializer_cutoff_factor",
        "deterministic_flash_attn",
        "reference_compile",
        "sparse_prediction",
        "sparse_pred_ignore_index",
        "use_cache",
    ),
]


NORMS = {"residual.norms.0": "attn_norm", "residual.norms.1": "mlp_norm"}
ATTENTION = {"attention.q attention.k attention.v": "attn.Wqkv", "attention.o": "attn.Wo"}
FFN = {"ffn.gate ffn.up": "mlp.Wi", "ffn.down": "mlp.Wo"}


def body(config: ModelConfig) -> Table:
    encoder = config.encoder
    assert encoder is not None
    bias = bool(getattr(encoder.norm, "bias", False))
    table = [
        Rule("tokens.weight", "model.embeddings.tok_embeddings.weight"),
        *linear("inputs.encoder.norm", "model.embeddings.norm", bias),
        *linear("encoder.norm", "model.final_norm", bias),
    ]
    for parts, biased in ((NORMS, bias), (ATTENTION, encoder.bias), (FFN, encoder.ffn.bias)):
        table += layers(encoder.layers, "encoder.blocks", "model.layers", parts, biased)
    # The norm of the embedding serves layer 0.
    return [rule for rule in table if not rule.ours.startswith("encoder.blocks.0.residual.norms.0.")]


def head(config: ModelConfig) -> Table:
    bias, dense, norm = (getattr(config.head, field) for field in ("bias", "dense_bias", "norm"))
    tied = Copy("decoder.weight", "model.embeddings.tok_embeddings.weight")
    return [
        *linear("head.dense", "head.dense", dense),
        *linear("head.norm", "head.norm", norm.bias),
        *([Rule("head.bias", "decoder.bias")] if bias else []),
        tied if config.tie else Rule("head.weight", "decoder.weight"),
    ]


FAMILY = Family("ModernBertForMaskedLM", "modernbert", "model.", KEYS, body, head)
