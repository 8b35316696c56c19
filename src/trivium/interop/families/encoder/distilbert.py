"""DistilBertForMaskedLM: BERT without token types, in names of its own."""

from functools import partial

from trivium.interop.families.encoder import bert
from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, key, only, std, unread

KEYS = [
    key("vocab_size", 30522, "vocab_size"),
    key("dim", 768, "hidden_size"),
    key("n_layers", 6, "*.layers"),
    key("n_heads", 12, "*.heads"),
    key("hidden_dim", 3072, "*.ffn.size"),
    key("max_position_embeddings", 512, "context"),
    key("activation", "gelu", "*.ffn.activation head.activation", ACTIVATION),
    key("dropout", 0.1, "*.dropout"),
    key("attention_dropout", 0.1, "*.attention_dropout"),
    only("tie_word_embeddings", True, write=True),
    std("initializer_range"),
    unread("sinusoidal_pos_embds", "use_cache"),  # the table is in the file, whatever it began as
]
LAYER = {
    **{f"attention.{part}": f"attention.{part}_lin" for part in "qkv"},
    "attention.o": "attention.out_lin",
    "residual.norms.0": "sa_layer_norm",
    "ffn.up": "ffn.lin1",
    "ffn.down": "ffn.lin2",
    "residual.norms.1": "output_layer_norm",
}
ALIASES = {"hidden_size": "dim", "num_attention_heads": "n_heads", "num_hidden_layers": "n_layers"}
BODY = partial(bert.body, root="distilbert", blocks="transformer.layer", parts=LAYER)
HEAD = bert.masked("vocab_transform", "vocab_layer_norm", "vocab_projector", "distilbert")

FAMILY = Family("DistilBertForMaskedLM", "distilbert", "distilbert.", KEYS, BODY, lambda _: HEAD, aliases=ALIASES)
