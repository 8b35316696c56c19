"""config.json as a table of entries that one engine reads both ways.

    Key       one key, one value, one or more fields of our config
    Only      a key with one supported value; another value is an error
    Told      a key for other readers: written, never read
    Unread    keys without effect on the forward pass in evaluation
    Divides   no key: the class needs heads that divide the width

A field is a dotted path in the tree of `resolve`; `*` stands for every stack. An entry that needs several keys at
once is a subclass of `Entry` (see `rope`, `layers`). Nothing here knows a family.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trivium.base.config import dump
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.model.attention.pattern import Pattern
from trivium.model.config import ModelConfig
from trivium.model.layer.position import Position

Tree = dict[str, Any]

ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu2",
    "tanh": "tanh",
}
"""Their name of an activation -> ours. We write the first of several."""


def resolve(config: ModelConfig) -> Tree:
    """Return a config as plain data with its derived values: inner widths, K, E, biases, the kinds of every layer."""
    tree = dump(config)
    for name, stack in config.stacks.items():
        attention = dump(stack.attention(config.hidden_size))
        kinds = [stack.kind(layer) for layer in range(stack.layers)]
        tree[name] |= {
            **{key: attention[key] for key in ("kv_heads", "head_size", "output_bias")},
            "score_scale": attention["scale"],
            "ffn": {**dump(stack.ffn), "size": stack.ffn.width(config.hidden_size)},
            "pattern": {str(layer): dump(pattern) for layer, (pattern, _) in enumerate(kinds)},
            "position": {str(layer): dump(position) for layer, (_, position) in enumerate(kinds)},
        }
    return tree


class Ours:
    """Our side of a table while config.json is written."""

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary | None, architecture: str) -> None:
        self.config, self.vocabulary, self.architecture = config, vocabulary, architecture
        self.tree = resolve(config)
        self.stack = next(iter(config.stacks.values()))

    @property
    def patterns(self) -> list[Pattern]:
        """The pattern of each layer of the first stack."""
        return [self.stack.kind(layer)[0] for layer in range(self.stack.layers)]

    @property
    def positions(self) -> list[Position]:
        """The position of each layer of the first stack."""
        return [self.stack.kind(layer)[1] for layer in range(self.stack.layers)]

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value at a dotted path, of the first stack for `*`; `default` if this config has no such field."""
        found: Any = self.tree
        for part in path.replace("*", next(iter(self.config.stacks))).split("."):
            if not isinstance(found, dict) or part not in found:
                return default
            found = found[part]
        return found


class Entry:
    """Keys of config.json that say one thing together."""

    def defaults(self) -> Tree:
        """Return the keys, each with the value that the stock class takes if the file leaves it out."""
        return {}

    def read(self, theirs: Mapping[str, Any]) -> Tree:
        """Return our fields by dotted path. A ModelError names the key that we do not support."""
        return {}

    def write(self, ours: Ours) -> Tree:
        """Return their keys. Leave out a key for which this config has no field: its default is read back."""
        return {}


@dataclass(frozen=True)
class Form:
    """Two spellings of one value: `read` maps theirs to ours, `write` ours to theirs."""

    read: Callable[[Any], Any] = lambda value: value
    write: Callable[[Any], Any] = lambda value: value


def _read_activation(name: Any) -> str:
    if name not in ACTIVATIONS:
        raise ModelError(f"{name!r} is not supported; known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


SAME = Form()
ACTIVATION = Form(_read_activation, lambda name: next(theirs for theirs, ours in ACTIVATIONS.items() if ours == name))
DROPOUT = Form(lambda value: value or 0.0)
"""A rate; null is 0."""


@dataclass(frozen=True)
class Key(Entry):
    """One key and the fields, separated by spaces, that take its value. The first field is written back."""

    name: str
    default: Any
    at: str
    form: Form = SAME

    def defaults(self) -> Tree:
        return {self.name: self.default}

    def read(self, theirs: Mapping[str, Any]) -> Tree:
        found = theirs[self.name]
        try:
            return dict.fromkeys(self.at.split(), self.form.read(found))
        except ModelError as wrong:
            raise ModelError(f"{self.name}: {wrong}") from wrong
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as wrong:
            raise ModelError(f"{self.name}: {json.dumps(found)} is not supported") from wrong

    def write(self, ours: Ours) -> Tree:
        found = ours.get(self.at.split()[0], self)
        return {} if found is self else {self.name: self.form.write(found)}


@dataclass(frozen=True)
class Only(Entry):
    """A key with one supported value (null counts as false); `told` writes it too."""

    name: str
    value: Any
    told: bool = False

    def defaults(self) -> Tree:
        return {self.name: self.value}

    def read(self, theirs: Mapping[str, Any]) -> Tree:
        if ((found := theirs[self.name]) or False) != self.value:
            raise ModelError(f"{self.name}: {json.dumps(found)} is not supported, expected {json.dumps(self.value)}")
        return {}

    def write(self, ours: Ours) -> Tree:
        return {self.name: self.value} if self.told else {}


@dataclass(frozen=True)
class Told(Entry):
    """A key that other readers ask for: a constant, or a function of our side."""

    name: str
    value: Any

    def defaults(self) -> Tree:
        return {self.name: None}

    def write(self, ours: Ours) -> Tree:
        return {self.name: self.value(ours) if callable(self.value) else self.value}


@dataclass(frozen=True)
class Token(Entry):
    """The id of a special token: written from the tokenizer, never read.

    Without a tokenizer it is null, so that no reader falls back to an id of its own; `required` is for classes that
    refuse null, and leaves the key out.
    """

    name: str
    role: str
    required: bool = False

    def defaults(self) -> Tree:
        return {self.name: None}

    def write(self, ours: Ours) -> Tree:
        index = getattr(ours.vocabulary, self.role, None)
        return {} if index is None and self.required else {self.name: index}


def std(key: str) -> Told:
    """Write the standard deviation of a fresh model."""
    return Told(key, lambda ours: ours.get("init.std"))


class Unread(Entry):
    """Keys without effect on the forward pass in evaluation."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def defaults(self) -> Tree:
        return dict.fromkeys(self.names)


class Divides(Entry):
    """The stock class refuses heads that do not divide the width, whatever the head size."""

    def write(self, ours: Ours) -> Tree:
        heads, width = ours.get("*.heads"), ours.config.hidden_size
        if width % heads:
            raise ModelError(f"heads: {heads}, {ours.architecture} needs a divisor of hidden_size {width}")
        return {}


TOKENS = [Token(f"{role}_token_id", role) for role in ("bos", "eos", "pad")]
