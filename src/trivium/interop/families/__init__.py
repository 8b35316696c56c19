"""The stock Hugging Face classes that we read and write: one file each, found by listing this folder.

A family is a module with the names of `Family`. Which of them can carry a config is not declared anywhere: a
family carries what comes back equal from its own config.json.
"""

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Protocol, cast

from trivium.base import plugin
from trivium.base.config import dump
from trivium.base.errors import ConfigError, ModelError
from trivium.base.types import Vocabulary
from trivium.interop import heads
from trivium.interop.rules import Table
from trivium.model.config import ModelConfig
from trivium.model.layer.score import LabelHead


class Family(Protocol):
    """What a file of this folder defines."""

    architecture: str
    """The stock class."""
    model_type: str
    """What config.json calls it."""
    prefix: str
    """Where the class keeps its stacks; files saved from the bare stacks lack it."""

    def read(self, config: Mapping[str, Any]) -> ModelConfig:
        """Our config of their config.json; a ModelError names the setting that we do not have."""

    def write(self, config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
        """Their config.json of our config; a ModelError names the field that they do not have."""

    def rules(self, config: ModelConfig) -> Table:
        """What each weight is called."""


@cache
def families() -> dict[str, Family]:
    """Every family by the name of its file."""
    return {name: cast(Family, sys.modules[f"{__name__}.{name}"]) for name in plugin.members(__name__, __path__)}


def by_type(model_type: Any) -> Family:
    """The family whose config.json says `model_type`."""
    known = {family.model_type: family for family in families().values()}
    if model_type not in known:
        raise ModelError(f"model_type {model_type!r} is not supported; known: {', '.join(sorted(known))}")
    return known[model_type]


def read(family: Family, config: Mapping[str, Any]) -> ModelConfig:
    """Our config of a config.json, with the head of a task if that is what it says."""
    kind = heads.kind_of(config)
    if kind is None:
        return family.read(config)
    return heads.read(config, kind, family.model_type, family.read({**config, "architectures": [family.architecture]}))


def write(family: Family, config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    """The config.json of our config, whatever its head."""
    if not isinstance(config.head, LabelHead):
        return family.write(config, vocabulary)
    tree = family.write(heads.body(family.model_type, config), vocabulary)
    return heads.write(tree, family.model_type, config, vocabulary)


def rules(family: Family, config: ModelConfig) -> Table:
    """What each weight is called, whatever the head."""
    if not isinstance(config.head, LabelHead):
        return family.rules(config)
    return heads.rules(family.rules(heads.body(family.model_type, config)), family.model_type, config)


def stock(config: ModelConfig, vocabulary: Vocabulary | None = None) -> tuple[Family | None, dict[str, str]]:
    """The family that carries a config, or None and for each stock class the reason why it does not.

    With a `vocabulary`, its control ids must suit the class too.
    """
    reasons: dict[str, str] = {}
    for _, family in sorted(families().items(), key=lambda item: item[0] != config.preset):
        if (reason := obstacle(family, config, vocabulary)) is None:
            return family, {}
        reasons[family.architecture] = reason
    return None, reasons


def obstacle(family: Family, config: ModelConfig, vocabulary: Vocabulary | None = None) -> str | None:
    """The first field that does not survive the way to a family's config.json and back."""
    try:
        again = read(family, write(family, config, vocabulary))
    except (ModelError, ConfigError) as refused:
        return str(refused)
    if (found := difference(config, again)) is None:
        return None
    field, ours, theirs = found
    return f"{field}: {ours}, {family.architecture} has {theirs}"


def difference(a: ModelConfig, b: ModelConfig) -> tuple[str, Any, Any] | None:
    """The first field (dotted) in which two configs compute different things, and its two values."""
    ours, theirs = dict(_leaves(_meaning(a))), dict(_leaves(_meaning(b)))
    for field in {**ours, **theirs}:
        if ours.get(field) != theirs.get(field):
            return field, ours.get(field), theirs.get(field)
    return None


def _meaning(config: ModelConfig) -> dict[str, Any]:
    """A config as plain data without what leaves a trained model's numbers alone, and with what is derived."""
    tree = {key: value for key, value in dump(config).items() if key not in ("preset", "init", "kernel")}
    for name, stack in config.stacks.items():
        resolved = dump(stack.attention(config.hidden_size))
        layers = [stack.kind(layer) for layer in range(stack.layers)]
        tree[name] = {
            "layers": stack.layers,
            "norm": dump(stack.norm),
            "ffn": {**dump(stack.ffn), "size": stack.ffn.width(config.hidden_size)},
            "residual": dump(stack.residual),
            "pattern": {str(i): dump(pattern) for i, (pattern, _) in enumerate(layers)},
            "position": {str(i): dump(position) for i, (_, position) in enumerate(layers)},
            "qk_norm": resolved.pop("norm"),
            **{key: value for key, value in resolved.items() if key not in ("dropout", "hidden_size")},
        }
    return tree


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its dotted path; a kind stands for its whole table, so that it is compared first."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, path if key == "kind" else f"{path}.{key}".lstrip("."))
    else:
        yield path, tree
