"""Give a model the head of a task: that of its family's stock class, else one in our own format."""

from typing import Any

from trivium.base.log import say
from trivium.base.types import Vocabulary
from trivium.interop import heads
from trivium.interop.families import stock
from trivium.interop.sentence import bare
from trivium.model.config import ModelConfig
from trivium.model.layer.head import Head
from trivium.model.layer.score import SentenceEmbedding
from trivium.model.transformer import Transformer
from trivium.model.vectors import usual_pool


def head(
    config: ModelConfig, vocabulary: Vocabulary | None, kind: str, labels: tuple[str, ...] = (), **choices: Any
) -> Head:
    """Return the head of a task for a model of this config; `choices` replace fields of it."""
    labels = labels or getattr(Head.kinds[kind].model_fields.get("labels"), "default", ())
    if kind == "embed":
        return SentenceEmbedding.model_validate({"pool": choices.get("pool") or usual_pool(config)})
    family, _ = stock(bare(config, vocabulary), vocabulary)
    tree = heads.usual(family.model_type, kind, config, labels) if family else None
    if tree is None:
        who = family.architecture if family else "this model"
        say(f"{who} has no stock class with a head of kind {kind}; the folder will be in our own format")
        tree = {"kind": kind, "labels": list(labels), "pool": "first" if config.family == "encoder" else "last"}
        tree = {key: value for key, value in tree.items() if key == "kind" or key in Head.kinds[kind].model_fields}
    if "eos" in tree and vocabulary is not None:
        tree["eos"] = vocabulary.eos
    return Head.parse({**tree, **choices})


def equip(transformer: Transformer, new: Head) -> Transformer:
    """Return the same model with another head, whose weights the global seed draws; an equal head stays as it is."""
    old = transformer.config
    if old.head == new:
        return transformer
    made = Transformer(old.model_copy(update={"head": new}))
    state = {name: value for name, value in transformer.state_dict().items() if not name.startswith("head.")}
    made.load_state_dict(made.state_dict() | state)
    return made.to(transformer.device, transformer.dtype).train(transformer.training)
