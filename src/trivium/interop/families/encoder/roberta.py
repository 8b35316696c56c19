"""RobertaForMaskedLM: BERT whose positions count from the padding id + 1."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from trivium.base.errors import ModelError
from trivium.interop.families.encoder import bert
from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Entry, Key, Ours, Tree
from trivium.model.layer.position import Learned


class Positions(Entry):
    """The table of positions begins after the padding id."""

    def defaults(self) -> Tree:
        return {"max_position_embeddings": 512, "pad_token_id": 1}

    def read(self, theirs: Mapping[str, Any]) -> Tree:
        offset = theirs["pad_token_id"] + 1
        return {"*.position": [Learned(offset=offset)], "context": theirs["max_position_embeddings"] - offset}

    def write(self, ours: Ours) -> Tree:
        offset = ours.get("*.position.0.offset", 1)
        pad = offset - 1 if ours.vocabulary is None else ours.vocabulary.pad
        if pad + 1 != offset or pad < 0:
            has = f"{ours.architecture} has {max(pad, 0) + 1}, the padding id + 1"
            raise ModelError(f"encoder.position.offset: {offset}, {has}")
        return {"max_position_embeddings": ours.config.context + offset, "pad_token_id": pad}


KEYS = [
    Key("vocab_size", 50265, "vocab_size"),
    Key("hidden_act", "gelu", "*.ffn.activation", ACTIVATION),
    *bert.SHARED,
    Positions(),
]
HEAD = bert.masked("lm_head.dense", "lm_head.layer_norm", "lm_head", "roberta", "lm_head.decoder")

FAMILY = Family("RobertaForMaskedLM", "roberta", "roberta.", KEYS, partial(bert.body, root="roberta"), lambda _: HEAD)
