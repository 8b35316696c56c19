"""MT5ForConditionalGeneration: T5 v1.1 of many languages, with a head of its own that is never scaled."""

from trivium.base.errors import ModelError
from trivium.interop.families.encoder_decoder import t5
from trivium.interop.family import Family
from trivium.interop.keys import Entry, Ours, Tree


def write(ours: Ours) -> Tree:
    """Return that the head is not tied: version 4 scales a tied one, version 5 ties what is equal."""
    if ours.config.tie or ours.get("head.scale"):
        raise ModelError(f"tie: {ours.config.tie}, {ours.architecture} has False with a head that is not scaled")
    return {"tie_word_embeddings": False}


TIE = Entry({"tie_word_embeddings": None, "scale_decoder_outputs": None}, lambda _: {"tie": False}, write)
KEYS = t5.keys(TIE, "gated-gelu", vocab_size=250112, d_ff=1024, num_layers=8, num_heads=6)

FAMILY = Family("MT5ForConditionalGeneration", "mt5", "", KEYS, t5.body, t5.head, twin=True, aliases=t5.ALIASES)
