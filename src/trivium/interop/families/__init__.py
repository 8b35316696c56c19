"""The stock Hugging Face classes that we read and write: one file each, found by listing the folders.

No class declares which configs it can carry: it carries what comes back equal from its own config.json.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from trivium.base import plugin
from trivium.base.errors import ConfigError, ModelError
from trivium.base.types import Vocabulary
from trivium.interop import heads, rope
from trivium.interop.family import Family
from trivium.interop.keys import Tree, resolve
from trivium.interop.rules import Drop, Table
from trivium.model.config import ModelConfig
from trivium.model.layer.head import Hidden
from trivium.model.layer.score import LabelHead, SentenceEmbedding

NEAREST = {
    "albert": "bert",
    "deberta-v2": "bert",
    "electra": "bert",
    "xlm-roberta-xl": "roberta",
    "gemma": "gemma2",
    "gemma3": "gemma3_text",
    "mixtral": "mistral",
    "olmo": "olmo2",
    "olmo3": "olmo2",
    "phi": "phi3",
    "qwen2_moe": "qwen2",
    "qwen3_moe": "qwen3",
    "gpt_neox": "gpt2",
    "umt5": "t5",
    "t5gemma": "t5",
    "m2m_100": "mbart",
    "deit": "vit",
    "beit": "vit",
    "dinov2": "vit",
    "siglip": "siglip_vision_model",
    "clip_vision_model": "siglip_vision_model",
}
"""Types that people meet and that no table here reads -> the supported type that is most like them."""
KIND = ".kind"
"""How the path of a kind ends."""


@cache
def families() -> dict[str, Family]:
    """Return every family by its model_type."""
    found = []
    for folder in ("decoder", "encoder", "encoder_decoder", "picture"):
        package = importlib.import_module(f"{__name__}.{folder}")
        for name in plugin.members(package.__name__, package.__path__):
            found.append(importlib.import_module(f"{package.__name__}.{name}").FAMILY)
    return {family.model_type: family for family in found}


def by_type(model_type: Any) -> Family:
    """Return the family of a config.json's `model_type`, or raise a ModelError that names what is supported."""
    known = families()
    if not isinstance(model_type, str) or model_type not in known:
        near = f"; the nearest is {NEAREST[model_type]}" if str(model_type) in NEAREST else ""
        raise ModelError(f"model_type {model_type!r} is not supported{near}; known: {', '.join(sorted(known))}")
    return known[model_type]


def by_config(tree: Mapping[str, Any]) -> Family:
    """Return the family of a config.json; as in the stock library, Mistral with `layer_types` is Ministral."""
    name = tree.get("model_type")
    pairs = [family for family in families().values() if family.parts and family.written == name]
    if not pairs:
        return by_type("ministral" if name == "mistral" and "layer_types" in tree else name)
    inner = {place: tree[place] if isinstance(tree.get(place), dict) else {} for place in pairs[0].parts}
    for pair in pairs:
        if all(inner[place].get("model_type") == part.written for place, part in pair.parts.items()):
            return pair
    found = ", ".join(f"{place} {one.get('model_type')!r}" for place, one in inner.items())
    known = "; ".join(" and ".join(part.written for part in pair.parts.values()) for pair in pairs)
    raise ModelError(f"model_type {name!r} of {found} is not supported; known: {known}")


def read(family: Family, config: Mapping[str, Any]) -> ModelConfig:
    """Return our config of a config.json, with the head of a task if it has one."""
    return heads.read(config, family, family.read(config))


def unknown(family: Family, config: Mapping[str, Any]) -> list[str]:
    """Return the keys of a config.json that neither our tables nor the stock class know."""
    known = {name for entry in [*family.entries, *heads.entries(family)] for name in entry.defaults}
    inside = rope.unknown(config) if "rope_parameters" in known else []
    for place, part in family.parts.items():
        inside += [f"{place}.{name}" for name in unknown(part, config.get(place) or {}) if name not in family.between]
    return sorted([*(config.keys() - family.aliases.keys() - family.parts.keys() - known), *inside])


def apart(family: Family, config: Mapping[str, Any]) -> list[str]:
    """Return the dropouts of a config.json that differ from those with which training here stands in for them."""
    theirs = {**{name: value for entry in family.entries for name, value in entry.defaults.items()}, **config}
    pairs = [
        (name, theirs[name] or 0.0, theirs.get(entry.stands) or 0.0)
        for entry in family.entries
        if entry.stands is not None
        for name in entry.defaults
    ]
    found = [f"{name} {rate} (here {used})" for name, rate, used in pairs if rate != used]
    inner = {place: apart(part, config.get(place) or {}) for place, part in family.parts.items()}
    return [*found, *(f"{place}.{rate}" for place, rates in inner.items() for rate in rates)]


def write(family: Family, config: ModelConfig, vocabulary: Vocabulary | None) -> Tree:
    """Return the config.json of our config, whatever its head."""
    tree = family.write(config, vocabulary)
    return heads.write(tree, family, config) if isinstance(config.head, LabelHead) else tree


def rules(family: Family, config: ModelConfig) -> Table:
    """Return the name of each weight, whatever the head."""
    if isinstance(config.head, LabelHead):
        return heads.rules(family.body(config), family, config)
    if isinstance(config.head, Hidden | SentenceEmbedding):  # a file may still carry the head
        full = family.read(family.write(config, None) | {"architectures": []})
        return [*family.body(config), *(Drop(re.escape(entry.theirs), head=True) for entry in family.head(full))]
    return [*family.body(config), *family.head(config)]


def stock(config: ModelConfig, vocabulary: Vocabulary | None = None) -> tuple[Family | None, dict[str, str]]:
    """Return the family that carries a config, or None and for each stock class the reason why it does not.

    With a `vocabulary`, its special tokens must suit the class too.
    """
    reasons: dict[str, str] = {}
    for family in sorted(families().values(), key=lambda family: (family.model_type != config.preset, family.twin)):
        if (reason := obstacle(family, config, vocabulary)) is None:
            return family, {}
        reasons[family.architecture] = reason
    return None, reasons


def obstacle(family: Family, config: ModelConfig, vocabulary: Vocabulary | None = None) -> str | None:
    """Return the first field that does not survive the way to a family's config.json and back."""
    try:
        again = read(family, write(family, config, vocabulary))
    except (ModelError, ConfigError) as refused:
        return str(refused)
    if (found := difference(config, again)) is None:
        return None
    field, ours, theirs = found
    return f"{field}: {ours}, {family.architecture} has {theirs}"


def difference(a: ModelConfig, b: ModelConfig) -> tuple[str, Any, Any] | None:
    """Return the first field (dotted) in which two configs compute different things, and its two values.

    A kind stands for its whole table: kinds are compared before numbers.
    """
    ours, theirs = dict(_leaves(_meaning(a))), dict(_leaves(_meaning(b)))
    for field in sorted({**ours, **theirs}, key=lambda field: not field.endswith(KIND)):
        if ours.get(field) != theirs.get(field):
            return field.removesuffix(KIND), ours.get(field), theirs.get(field)
    return None


def _meaning(config: ModelConfig) -> Tree:
    """Return a config as plain data without what leaves a trained model's numbers alone."""
    tree = {key: value for key, value in resolve(config).items() if key not in ("preset", "init", "kernel")}
    for name in config.stacks:
        for key in ("dropout", "attention_dropout"):
            del tree[name][key]
    tree["head"].pop("fixed_bias", None)
    for key in () if config.texts else ("vocab_size", "context", "tie", "embed"):  # of texts alone
        del tree[key]
    return tree


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted path."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, tree
