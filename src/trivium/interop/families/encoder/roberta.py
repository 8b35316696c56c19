"""RobertaForMaskedLM: BERT whose positions count from the padding id + 1."""

from functools import partial

from trivium.base.errors import ModelError
from trivium.interop.families.encoder import bert
from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Entry, Ours, Tree, key
from trivium.model.layer.position import Learned


def read(theirs: Tree) -> Tree:
    """Return the position table after the padding id, and the context without those first rows."""
    offset = theirs["pad_token_id"] + 1
    return {"*.position": [Learned(offset=offset)], "context": theirs["max_position_embeddings"] - offset}


def write(ours: Ours) -> Tree:
    """Return the keys of the position table; a ModelError if its offset is not the padding id + 1."""
    offset = ours.get("*.position.0.offset", 1)
    pad = offset - 1 if ours.vocabulary is None else ours.vocabulary.pad
    if pad + 1 != offset or pad < 0:
        has = f"{ours.architecture} has {max(pad, 0) + 1}, the padding id + 1"
        raise ModelError(f"encoder.position.offset: {offset}, {has}")
    return {"max_position_embeddings": ours.config.context + offset, "pad_token_id": pad}


def keys(vocab_size: int = 50265) -> list[Entry]:
    """Return the keys of RoBERTa and of the classes that are RoBERTa under another name."""
    return [
        key("vocab_size", vocab_size, "vocab_size"),
        key("hidden_act", "gelu", "*.ffn.activation", ACTIVATION),
        *bert.SHARED,
        Entry({"max_position_embeddings": 512, "pad_token_id": 1}, read, write),
    ]


HEAD = bert.masked("lm_head.dense", "lm_head.layer_norm", "lm_head", "roberta", "lm_head.decoder")

BODY = partial(bert.body, root="roberta")

FAMILY = Family("RobertaForMaskedLM", "roberta", "roberta.", keys(), BODY, lambda _: HEAD)
