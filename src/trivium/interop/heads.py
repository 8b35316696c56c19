"""The heads of tasks in the stock classes: one line for each family and kind of head.

A family's own file has its body; `TABLE` adds where the weights of a head are and what the head always is. A pair
that is not in it has no stock class. Labels stand in config.json as id2label and label2id.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trivium.base.config import dump, merge, parse
from trivium.base.errors import ModelError
from trivium.interop.family import Family, nest, union
from trivium.interop.keys import ACTIVATION, Entry, Form, Ours, Tree, fields, key
from trivium.interop.rules import Table, linear, under
from trivium.model.config import ModelConfig
from trivium.model.layer.score import PROBLEMS, LabelHead

ENDS = {"classify": "ForSequenceClassification", "tag": "ForTokenClassification", "span": "ForQuestionAnswering"}
"""How the names of stock classes end, by our kind of head."""


MOST = 1_000_000
"""No head has more labels."""


def _read_labels(theirs: Tree) -> Tree:
    count = 2 if theirs["num_labels"] is None else theirs["num_labels"]
    if type(count) is not int or not 0 < count <= MOST:
        raise ModelError(f"num_labels: expected a whole number from 1 to {MOST}, found {count!r:.80}")
    names = theirs["id2label"] or {i: f"LABEL_{i}" for i in range(count)}
    return {"head.labels": [str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0]))]}


def _write_labels(ours: Ours) -> Tree:
    labels = ours.get("head.labels")
    if len(set(labels)) != len(labels):
        raise ModelError(f"head.labels: some are alike, {ours.architecture} tells them by name")
    pairs = list(enumerate(labels))
    return {"id2label": {str(i): label for i, label in pairs}, "label2id": {label: i for i, label in pairs}}


LABELS = Entry({"id2label": None, "label2id": None, "num_labels": None}, _read_labels, _write_labels)
PLACE = "torch.nn.modules."
ACTIVATION_FN = {"sigmoid": f"{PLACE}activation.Sigmoid", "identity": f"{PLACE}linear.Identity"}
"""Our name of what a CrossEncoder makes of a score -> the class that sentence-transformers names."""


def _read_problem(theirs: Tree) -> Tree:
    """Return the `problem_type`; null is one label of several."""
    word = theirs["problem_type"]
    if word is not None and word not in PROBLEMS:
        raise ModelError(f"problem_type: {word!r} is not supported; known: {', '.join(PROBLEMS)}")
    return {"head.problem_type": word or PROBLEMS[0]}


PROBLEM = Entry({"problem_type": None}, _read_problem, lambda ours: {"problem_type": ours.get("head.problem_type")})


def _read_activation_fn(theirs: Tree) -> Tree:
    """Return what a CrossEncoder makes of a score, as its versions since 4 and before 4 say it."""
    found, key = theirs["sbert_ce_default_activation_function"], "sbert_ce_default_activation_function"
    if isinstance(theirs["sentence_transformers"], dict) and "activation_fn" in theirs["sentence_transformers"]:
        found, key = theirs["sentence_transformers"]["activation_fn"], "sentence_transformers.activation_fn"
    words = {name.rpartition(".")[2]: word for word, name in ACTIVATION_FN.items()}
    word = words.get(str(found).removeprefix("torch.nn.").rpartition(".")[2])
    if found is not None and word is None:
        raise ModelError(f"{key}: {found!r} is not supported; known: {', '.join(ACTIVATION_FN.values())}")
    return {"head.activation_fn": word}


def _write_activation_fn(ours: Ours) -> Tree:
    word = ours.get("head.activation_fn")
    return {} if word is None else {"sentence_transformers": {"activation_fn": ACTIVATION_FN[word]}}


CROSS = Entry(
    {"sentence_transformers": None, "sbert_ce_default_activation_function": None},
    _read_activation_fn,
    _write_activation_fn,
)


def _dropout(name: str = "classifier_dropout", both: bool = False) -> Entry:
    """Return the entry of the dropout before the last matrix, with `both` before the layer too; null is the body's."""
    keys = dict.fromkeys([name, "hidden_dropout_prob", "hidden_dropout"])

    def read(theirs: Tree) -> Tree:
        rate = next((theirs[key] for key in keys if theirs[key] is not None), 0.0)
        return {"head.dropout": rate, "head.dense_dropout": rate if both else 0.0}

    return Entry(keys, read, lambda ours: {name: ours.get("head.dropout")})


def _pooling(default: str, **ours: str) -> Entry:
    """Return the entry of `classifier_pooling`, of their names with ours; we may not have the default."""
    form = Form(ours.__getitem__, {name: theirs for theirs, name in ours.items()}.get)
    return key("classifier_pooling", default, "head.pool", form)


@dataclass(frozen=True, slots=True)
class Stock:
    """A head of a task in one stock class."""

    out: str
    """Where the last matrix is."""
    keys: tuple[Entry, ...] = ()
    """The keys of config.json that say what the head is, besides its labels."""
    dense: str | None = None
    """Where the layer before it is."""
    norm: str | None = None
    """Where the norm after that is, which is the encoder's."""
    choices: Mapping[str, Any] = field(default_factory=dict)
    """What the class's head always is, where that is not our default."""
    lead: str = ""
    """What the names of the body begin with in this class alone."""
    end: str = ""
    """How the name of the class ends, where it is not as in `ENDS`."""


_DROPOUT, _BOTH = (_dropout(),), (_dropout(both=True),)
_TAG, _SPAN = Stock("classifier", _DROPOUT), Stock("qa_outputs")
_LAST = Stock("score", choices={"pool": "last", "bias": False})
_SCORE = {"classify": _LAST, "tag": Stock("score", _DROPOUT)}
_DENSE = (
    key("classifier_bias", False, "head.dense_bias"),
    key("classifier_activation", "gelu", "head.activation", ACTIVATION),
)
_MODERN = Stock(
    "classifier", (*_DROPOUT, *_DENSE), "head.dense", "head.norm", {"activation": "gelu", "dense_bias": False}
)
_WRITTEN = Stock("classification_head.out_proj", _BOTH, "classification_head.dense", choices={"pool": "last"})
"""An encoder-decoder reads the text again: its last token's state."""
_TURNED = replace(
    _WRITTEN, keys=(*_BOTH, key("eos_token_id", 2, "head.eos")), choices={"pool": "last", "eos": 2, "wrap": True}
)
"""mBART's texts may end with a code of the language, with which the decoder begins: the state of the last EOS."""
_ROBERTA = {"classify": Stock("classifier.out_proj", _BOTH, "classifier.dense"), "tag": _TAG, "span": _SPAN}
_T5 = {"classify": replace(_WRITTEN, lead="transformer."), "span": _SPAN}
TABLE: dict[str, dict[str, Stock]] = {
    "bert": {"classify": Stock("classifier", _DROPOUT, "bert.pooler.dense"), "tag": _TAG, "span": _SPAN},
    **dict.fromkeys(("roberta", "xlm-roberta", "camembert"), _ROBERTA),
    "modernbert": {
        "classify": replace(_MODERN, keys=(*_MODERN.keys, _pooling("cls", cls="first", mean="mean"))),
        "tag": _MODERN,
        "span": _MODERN,
    },
    "distilbert": {
        "classify": Stock(
            "classifier", (_dropout("seq_classif_dropout"),), "pre_classifier", choices={"activation": "relu"}
        ),
        "tag": Stock("classifier"),
        "span": Stock("qa_outputs", (_dropout("qa_dropout"),)),
    },
    "eurobert": {
        "classify": Stock(
            "classifier", (_pooling("late", bos="first", mean="mean"),), "dense", choices={"activation": "gelu"}
        ),
        "tag": Stock("classifier"),
    },
    "gpt2": {"classify": _LAST, "tag": _TAG},
    **dict.fromkeys(("llama", "mistral", "ministral", "qwen2", "qwen3", "phi3", "smollm3", "gemma2"), _SCORE),
    "olmo2": {"classify": _LAST},
    "bart": {"classify": _WRITTEN, "span": _SPAN},
    "mbart": {"classify": _TURNED, "span": replace(_SPAN, choices={"wrap": True})},
    **dict.fromkeys(("t5", "mt5"), _T5),
    "vit": {"classify": Stock("classifier", end="ForImageClassification")},
}


def keys(stock: Stock, kind: str) -> list[Entry]:
    """Return the keys of config.json that say what a head is."""
    return [LABELS, *([PROBLEM, CROSS] if kind == "classify" else []), *stock.keys]


def entries(family: Family) -> list[Entry]:
    """Return the keys of every head that the classes of a family have."""
    stocks = TABLE.get(family.model_type, {})
    return [entry for kind, stock in stocks.items() for entry in keys(stock, kind)]


def usual(model_type: str, kind: str, config: ModelConfig, labels: tuple[str, ...]) -> Tree | None:
    """Return the head that the stock class of a family has, as plain data, or None where there is no such class."""
    stock = TABLE.get(model_type, {}).get(kind)
    if stock is None:
        return None
    tree = {"kind": kind, "labels": list(labels), "dense": stock.dense is not None, **stock.choices}
    if stock.norm is not None:
        assert config.encoder is not None
        tree["norm"] = dump(config.encoder.norm)
    return tree


def write(tree: Tree, family: Family, config: ModelConfig) -> Tree:
    """Return a body's config.json with its head, as near as the stock class comes to it."""
    assert isinstance(config.head, LabelHead)
    stock, kind = _stock(family, config.head.kind), config.head.kind
    ours = Ours(config, None, family.stem + (stock.end or ENDS[kind]))
    told = union(entry.write(ours) for entry in keys(stock, kind))
    return {**tree, "architectures": [ours.architecture], **told}


def read(tree: Mapping[str, Any], family: Family, config: ModelConfig) -> ModelConfig:
    """Return the config of a body with the head of a task that a config.json says, if it says one."""
    names = [str(name) for name in tree.get("architectures") or ()]
    ends = ENDS | {kind: stock.end for kind, stock in TABLE.get(family.model_type, {}).items() if stock.end}
    kind = next((kind for kind, end in ends.items() if any(name.endswith(end) for name in names)), None)
    if kind is None:
        return config
    stock = _stock(family, kind)
    found: Tree = {"head": usual(family.model_type, kind, config, ())}
    for entry in keys(stock, kind):
        names = [name for name in entry.defaults if name in tree] or list(entry.defaults)
        for path, value in fields(entry, {**entry.defaults, **tree}, names).items():
            found = merge(found, nest(path, value))
    return parse(ModelConfig, merge(dump(config), found), family.model_type)


def rules(body: Table, family: Family, config: ModelConfig) -> Table:
    """Return a body's table with the weights of the head of a task."""
    head = config.head
    assert isinstance(head, LabelHead)
    stock = _stock(family, head.kind)
    # A Drop of the body may match the head's own weights, which therefore come first.
    entries = [*linear("head.out", stock.out, head.bias), *under(stock.lead, body)]
    if stock.dense is not None:
        entries += linear("head.dense", stock.dense, head.dense_bias)
    if stock.norm is not None:
        entries += linear("head.norm", stock.norm, bool(getattr(head.norm, "bias", False)))
    return entries


def _stock(family: Family, kind: str) -> Stock:
    if kind not in TABLE.get(family.model_type, {}):
        raise ModelError(f"head: {kind}, no stock class of {family.model_type} has one")
    return TABLE[family.model_type][kind]
