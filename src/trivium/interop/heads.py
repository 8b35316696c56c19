"""The heads of tasks in the stock classes: what each class is called, where its weights are, what its head looks like.

A family's own file tells its body; this table adds, for each, the class with a head for whole texts, for tokens and
for spans. A pair that is not in it has no stock class. Labels stand in config.json as id2label and label2id.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trivium.base.config import dump, merge, parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.rules import Copy, Drop, Rule, Table, linear
from trivium.interop.spelling import read_activation, write_activation
from trivium.model.config import ModelConfig
from trivium.model.layer.head import LM, MLM, Head
from trivium.model.layer.norm import NoNorm
from trivium.model.layer.score import LabelHead

ENDS = {"classify": "ForSequenceClassification", "tag": "ForTokenClassification", "span": "ForQuestionAnswering"}
"""How the names of stock classes end, by our kind of head."""
POOLS = {"first": "cls", "mean": "mean"}


@dataclass(frozen=True, slots=True)
class Stock:
    """A stock class with a head of a task."""

    name: str
    """The class's name without its end."""
    out: str
    """Where the last matrix is."""
    dense: str | None = None
    norm: str | None = None
    """Where the layer before it is, and the norm after that, which is the encoder's."""
    choices: Mapping[str, Any] = field(default_factory=dict)
    """What the class's head always is."""
    dropout: str | None = "classifier_dropout"
    """The key of its dropout; None is a class that has none."""
    both: bool = False
    """Whether it drops out before the layer too."""
    lead: str = ""
    """What the names of the body begin with in this class alone."""


def _score(name: str) -> dict[str, Stock]:
    """A decoder's heads: the last token's state through one matrix."""
    return {
        "classify": Stock(name, "score", choices={"pool": "last", "bias": False}, dropout=None),
        "tag": Stock(name, "score"),
    }


def _written(name: str, lead: str = "") -> dict[str, Stock]:
    """The heads of an encoder with a decoder, which reads the text again: its last token's state."""
    head, choices = "classification_head.", {"pool": "last", "dense": True}
    whole = Stock(name, f"{head}out_proj", dense=f"{head}dense", choices=choices, both=True, lead=lead)
    return {"classify": whole, "span": Stock(name, "qa_outputs", dropout=None)}


_DENSE = {"pool": "first", "dense": True}
TABLE: dict[str, dict[str, Stock]] = {
    "bert": {
        "classify": Stock("Bert", "classifier", dense="bert.pooler.dense", choices=_DENSE),
        "tag": Stock("Bert", "classifier"),
        "span": Stock("Bert", "qa_outputs", dropout=None),
    },
    "roberta": {
        "classify": Stock("Roberta", "classifier.out_proj", dense="classifier.dense", choices=_DENSE, both=True),
        "tag": Stock("Roberta", "classifier"),
        "span": Stock("Roberta", "qa_outputs", dropout=None),
    },
    "modernbert": {
        kind: Stock("ModernBert", "classifier", dense="head.dense", norm="head.norm", choices={"dense": True})
        for kind in ENDS
    },
    "gpt2": {
        "classify": Stock("GPT2", "score", choices={"pool": "last", "bias": False}, dropout=None),
        "tag": Stock("GPT2", "classifier"),
    },
    **{
        model: _score(name)
        for model, name in {"llama": "Llama", "mistral": "Mistral", "qwen3": "Qwen3", "gemma2": "Gemma2"}.items()
    },
    "bart": _written("Bart"),
    "mbart": _written("MBart"),
    "t5": _written("T5", "transformer."),
}
_BODY: dict[str, Callable[[ModelConfig], Head]] = {
    "bert": lambda config: MLM(norm=config.encoder.norm, activation=config.encoder.ffn.activation),  # type: ignore[union-attr]
    "roberta": lambda config: MLM(norm=config.encoder.norm),  # type: ignore[union-attr]
    "modernbert": lambda config: MLM(norm=config.encoder.norm, dense_bias=False),  # type: ignore[union-attr]
    "gemma2": lambda config: LM(softcap=30.0),
    "t5": lambda config: LM(scale=config.tie),
}
"""The head that the class for pretraining has, with which a family's file tells the body."""


def body(model_type: str, config: ModelConfig) -> ModelConfig:
    """The same model with the head of its class for pretraining."""
    return config.model_copy(update={"head": _BODY.get(model_type, lambda config: LM())(config)})


def usual(model_type: str, kind: str, config: ModelConfig, labels: tuple[str, ...]) -> dict[str, Any] | None:
    """The head that the stock class of a family has, as plain data, or None where there is no such class."""
    stock = TABLE.get(model_type, {}).get(kind)
    if stock is None:
        return None
    tree = {"kind": kind, "labels": list(labels), **stock.choices}
    if kind != "classify":
        tree.pop("pool", None)
    if stock.norm is not None:
        encoder = config.encoder
        assert encoder is not None
        tree |= {"norm": dump(encoder.norm), "activation": "gelu", "dense_bias": False}
    return tree


def write(
    tree: Mapping[str, Any], model_type: str, config: ModelConfig, vocabulary: Vocabulary | None
) -> dict[str, Any]:
    """A body's config.json with its head; a ModelError says which choice the stock class does not have."""
    head = config.head
    assert isinstance(head, LabelHead)
    stock = _stock(model_type, head.kind)
    name = stock.name + ENDS[head.kind]
    same = {
        "dense": stock.dense is not None,
        "norm": config.encoder.norm if stock.norm else NoNorm(),  # type: ignore[union-attr]
        "dense_dropout": head.dropout if stock.both else 0.0,
        "bias": True,
        **stock.choices,
    }
    if stock.dropout is None:
        same["dropout"] = 0.0
    if stock.norm is None and stock.dense is not None:
        same |= {"activation": "tanh", "dense_bias": True}
    if head.kind != "classify":
        same.pop("pool", None)
    for key, value in same.items():
        if (found := getattr(head, key)) != value:
            raise ModelError(f"head.{key}: {found!r}, {name} has {value!r}")
    if len(set(head.labels)) != len(head.labels):
        raise ModelError(f"head.labels: some are alike, {name} tells them by name")
    out: dict[str, Any] = {**tree, "architectures": [name]}
    out["id2label"] = {str(i): label for i, label in enumerate(head.labels)}
    out["label2id"] = {label: i for i, label in enumerate(head.labels)}
    if stock.dropout:
        out[stock.dropout] = head.dropout
    if head.kind == "classify":
        many = head.multi_label  # type: ignore[attr-defined]
        out["problem_type"] = "multi_label_classification" if many else "single_label_classification"
    if stock.norm is not None:
        out |= {"classifier_bias": head.dense_bias, "classifier_activation": write_activation(head.activation)}
        if head.kind == "classify":
            if head.pool not in POOLS:  # type: ignore[attr-defined]
                raise ModelError(f"head.pool: {head.pool!r}, {name} has {' or '.join(POOLS)}")  # type: ignore[attr-defined]
            out["classifier_pooling"] = POOLS[head.pool]  # type: ignore[attr-defined]
    return out


def kind_of(tree: Mapping[str, Any]) -> str | None:
    """The head of a task that a config.json says, if it says one."""
    names = [str(name) for name in tree.get("architectures") or ()]
    return next((kind for kind, end in ENDS.items() if any(name.endswith(end) for name in names)), None)


def read(tree: Mapping[str, Any], kind: str, model_type: str, config: ModelConfig) -> ModelConfig:
    """The config of a body with the head that a config.json says."""
    stock = _stock(model_type, kind)
    names = tree.get("id2label") or {i: f"LABEL_{i}" for i in range(int(tree.get("num_labels") or 2))}
    labels = tuple(str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0])))
    head = usual(model_type, kind, config, labels)
    assert head is not None
    if kind == "classify":
        head["multi_label"] = tree.get("problem_type") == "multi_label_classification"
    if stock.dropout:
        whole = next((tree[key] for key in ("hidden_dropout_prob", "hidden_dropout") if tree.get(key) is not None), 0.0)
        dropout = tree.get(stock.dropout)
        head["dropout"] = float(whole if dropout is None else dropout)
        head["dense_dropout"] = head["dropout"] if stock.both else 0.0
    if stock.norm is not None:
        head["dense_bias"] = bool(tree.get("classifier_bias", False))
        head["activation"] = read_activation(tree.get("classifier_activation", "gelu"), "classifier_activation")
        if kind == "classify":
            pools = {theirs: ours for ours, theirs in POOLS.items()}
            head["pool"] = pools[tree.get("classifier_pooling", "cls")]
    return parse(ModelConfig, merge(dump(config), {"head": head}), model_type)


def rules(table: Table, model_type: str, config: ModelConfig) -> Table:
    """A body's table with the weights of the head in place of those for pretraining."""
    head = config.head
    assert isinstance(head, LabelHead)
    stock = _stock(model_type, head.kind)
    entries: list[Rule | Copy | Drop] = []
    for entry in table:
        if isinstance(entry, Rule) and any(part.startswith("head.") for part in entry.parts):
            continue
        if isinstance(entry, Copy):
            entry = replace(entry, theirs=stock.lead + entry.theirs, of=stock.lead + entry.of)
        elif isinstance(entry, Rule):
            entry = replace(entry, theirs=stock.lead + entry.theirs)
        entries.append(entry)
    if stock.dense is not None:
        entries += linear("head.dense", stock.dense, head.dense_bias)
    if stock.norm is not None:
        bias = bool(getattr(head.norm, "bias", False))
        entries += linear("head.norm", stock.norm, bias)
    # Where a class of one body may carry what another needs, the head's own weights come first.
    return [*linear("head.out", stock.out, head.bias), *entries]


def _stock(model_type: str, kind: str) -> Stock:
    stock = TABLE.get(model_type, {}).get(kind)
    if stock is None:
        raise ModelError(f"head: {kind}, no stock class of {model_type} has one")
    return stock
