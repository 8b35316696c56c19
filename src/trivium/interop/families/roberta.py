"""RobertaForMaskedLM: BERT whose positions count from the padding id + 1, and RobertaModel for what has no head."""

from collections.abc import Mapping
from typing import Any

from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.families import bert
from trivium.interop.rules import Copy, Drop, Rule, Table, linear
from trivium.interop.spelling import expect
from trivium.model.config import ModelConfig
from trivium.model.layer.head import Hidden
from trivium.model.layer.position import Learned

architecture, model_type, prefix = "RobertaForMaskedLM", "roberta", "roberta."

DEFAULTS: dict[str, Any] = {**bert.DEFAULTS, "vocab_size": 50265, "pad_token_id": 1}
"""What the stock class takes for a key that config.json leaves out."""


def read(config: Mapping[str, Any]) -> ModelConfig:
    theirs = {**DEFAULTS, **config}
    offset = theirs["pad_token_id"] + 1
    changes = {"encoder": {"position": [{"kind": "learned", "offset": offset}]}, "head": {"activation": "gelu"}}
    return bert.read_body(theirs, model_type, theirs["max_position_embeddings"] - offset, changes)


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    tree = bert.write_body(config, architecture, model_type, vocabulary)
    assert config.encoder is not None
    offset = expect(config.encoder.position[0], Learned, "encoder.position", architecture).offset
    pad = offset - 1 if vocabulary is None else vocabulary.pad
    if pad + 1 != offset or pad < 0:
        raise ModelError(f"encoder.position.offset: {offset}, {architecture} has {max(pad, 0) + 1}, the padding id + 1")
    return {**tree, "max_position_embeddings": config.context + offset, "pad_token_id": pad}


def rules(config: ModelConfig) -> Table:
    head = [
        *linear("head.dense", "lm_head.dense", bias=True),
        *linear("head.norm", "lm_head.layer_norm", bias=True),
        Rule("head.bias", "lm_head.bias"),
    ]
    copies = [
        Copy("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"),
        Copy("lm_head.decoder.bias", "lm_head.bias"),
    ]
    extra = Drop(r"roberta\.pooler\.dense\.(weight|bias)|roberta\.embeddings\.position_ids")
    if isinstance(config.head, Hidden):
        return [*bert.rules_body(config, "roberta"), extra, Drop(r"lm_head\..*")]
    return [*bert.rules_body(config, "roberta"), *head, *copies, extra]
