"""A family: one stock class of Hugging Face as two tables, its keys of config.json and its names of weights."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any

from pydantic import ValidationError

from trivium.base.config import merge
from trivium.base.errors import ModelError
from trivium.base.explain import worded
from trivium.base.types import Vocabulary
from trivium.interop.keys import EVERY, TOKENS, Entry, Ours, Tree, fields
from trivium.interop.rules import Table
from trivium.model.config import ModelConfig
from trivium.model.layer.head import Hidden
from trivium.model.presets import PRESETS


@dataclass(frozen=True)
class Family:
    """One stock class. The preset of the name `model_type` says all that config.json does not say."""

    architecture: str
    """The stock class with the head of pretraining."""
    model_type: str
    prefix: str
    """Where the class keeps its stacks; files saved from the bare stacks lack it."""
    keys: Sequence[Entry]
    """The table of config.json, without the ids of special tokens that all classes have."""
    body: Callable[[ModelConfig], Table]
    """The names of all weights but the head's."""
    head: Callable[[ModelConfig], Table]
    """The names of the weights of the pretraining head."""
    twin: bool = False
    """Whether another class computes the same: it is taken first for a model of neither name."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Second names of keys; where a file has both, the stock class takes the value of the second name."""
    tree: Tree = field(default_factory=dict)
    """What config.json does not say, in place of the preset."""
    parts: Mapping[str, "Family"] = field(default_factory=dict)
    """The classes that are joined in this one, by their keys of config.json: see `pair`."""
    between: Collection[str] = ()
    """The keys of parts that say how they are joined."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """What names of weights begin with in files of some versions -> in those that we write."""
    modules: Sequence[Mapping[str, str]] = ()
    """Patterns in names of weights -> what modules have there, where files and modules differ: today's stock library
    first, then older ones. Files of adapters have the names of modules."""
    type_name: str = ""
    """The `model_type` of config.json, where it is not the preset's name."""

    @property
    def written(self) -> str:
        """The `model_type` of config.json."""
        return self.type_name or self.model_type

    @property
    def base(self) -> Tree:
        """What config.json does not say."""
        return self.tree or PRESETS[self.model_type]

    @cached_property
    def entries(self) -> list[Entry]:
        """The whole table; a later entry of a key wins."""
        own = [*TOKENS, *self.keys]
        names = {name for entry in own for name in entry.defaults}
        return [*(one for one in EVERY if not one.defaults.keys() <= names), *own]

    @cached_property
    def stacks(self) -> list[str]:
        """The stacks of the class."""
        return [name for name in ("encoder", "decoder") if name in self.base]

    @property
    def stem(self) -> str:
        """What the names of all classes of the family begin with."""
        return re.sub(r"(For[A-Z]\w+|LMHeadModel|Model)$", "", self.architecture)

    @property
    def bare(self) -> str | None:
        """The class without a head, which we read and write for one stack.

        The stock library gives a bare decoder whose head would be tied a head as well, and so do we.
        """
        return f"{self.stem}Model" if len(self.stacks) == 1 else None

    def read(self, tree: Mapping[str, Any]) -> ModelConfig:
        """Return our config of a config.json, with the pretraining head or none.

        A ModelError names the key that we do not support.
        """
        classes = tree.get("architectures") or []
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ModelError(f"architectures: expected a list of names, found {classes!r:.80}")
        given = {self.aliases.get(name, name): value for name, value in sorted(tree.items(), key=self._second)}
        theirs = {**union(entry.defaults for entry in self.entries), **given}
        said = {self.aliases[name]: name for name in tree if name in self.aliases}
        ours: Tree = dict(self.tree) or {"preset": self.model_type}
        sources: dict[str, str] = {}
        for entry in self.entries:
            names = [name for name in entry.defaults if name in given] or list(entry.defaults)
            names = [said.get(name, name) for name in names]
            for path, value in fields(entry, theirs, names, said).items():
                for place in [path.replace("*", stack) for stack in self.stacks] if "*" in path else [path]:
                    sources[place] = names[0]
                    ours = merge(ours, nest(place, value))
        if self.bare in classes and (self.stacks == ["encoder"] or ours["tie"] is False):
            ours["head"] = {"kind": "none"}
        try:
            return ModelConfig.model_validate(ours)
        except ValidationError as wrong:
            told = [_told(problem, sources) for problem in wrong.errors(include_url=False)]
            raise ModelError("; ".join(dict.fromkeys(told))) from None

    def _second(self, item: tuple[str, Any]) -> bool:
        return item[0] in self.aliases

    def write(self, config: ModelConfig, vocabulary: Vocabulary | None) -> Tree:
        """Return the config.json of our config, as near as the class comes to it; see `families.obstacle`."""
        if list(config.stacks) != self.stacks:
            raise ModelError(f"stacks: {config.family}, {self.architecture} has {'_'.join(self.stacks)}")
        name = self.bare if self.bare and isinstance(config.head, Hidden) else self.architecture
        tree: Tree = {"architectures": [name], "model_type": self.written}
        if len(self.stacks) == 2:
            tree["is_encoder_decoder"] = True
        ours = Ours(config, vocabulary, self.architecture)
        return tree | union(entry.write(ours) for entry in self.entries)


def union(trees: Iterable[Tree]) -> Tree:
    """Return all keys of several trees; a later tree wins."""
    return {key: value for tree in trees for key, value in tree.items()}


def nest(path: str, value: Any) -> Any:
    """Return the tree that has a value at a dotted path."""
    return reduce(lambda inner, part: {part: inner}, reversed(path.split(".")), value)


def _told(problem: Any, sources: Mapping[str, str]) -> str:
    """One problem in one line, with the key of config.json that it comes from."""
    place, message = ".".join(map(str, problem["loc"])), worded(problem)
    key = next((key for path, key in list(sources.items())[::-1] if f"{place}.".startswith(f"{path}.")), place)
    found = f", found {problem['input']!r:.80}" if problem["type"] != "value_error" else ""
    return f"{key}: {message}{found}".removeprefix(": ")
