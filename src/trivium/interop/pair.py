"""A pair: a stock class that joins two others, an encoder of pictures and a decoder, each with its own config.

A part is read and written as it is alone. What joins the two (width, projection, cross-attention, the image token) is
said by `Join`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from trivium.base.config import dump
from trivium.base.errors import ModelError
from trivium.base.explain import worded
from trivium.base.types import Vocabulary
from trivium.interop.family import Family, union
from trivium.interop.keys import Ours, Tree
from trivium.model.config import ModelConfig

STACKS = ("encoder", "decoder")


@dataclass(frozen=True)
class Join:
    """How the config of two parts becomes one, and back."""

    read: Callable[[Tree, Tree, Tree], Tree]
    """Return what changes in the tree of the joined model, of that tree, of their config.json, and of the encoder."""
    write: Callable[[ModelConfig], tuple[Tree, Tree]]
    """Return their keys, and what changes in the config of the decoder where it stands alone."""


@dataclass(frozen=True)
class JoinedFamily(Family):
    """A stock class that joins an encoder of pictures and a decoder; `parts` in this order."""

    join: Join | None = None
    """How; a pair has it always."""

    @property
    def stacks(self) -> list[str]:  # type: ignore[override]
        """The stacks of the class."""
        return [*STACKS]

    def read(self, tree: Mapping[str, Any]) -> ModelConfig:
        """Return our config of a config.json; a ModelError names the key that we do not support, and its part."""
        found = [self._part(tree, place, part) for place, part in self.parts.items()]
        encoder, joined = (dump(config) for config in found)
        width = encoder["hidden_size"]
        joined["encoder"] = {**encoder["encoder"], "embed": encoder["encoder"]["embed"] or encoder["embed"]}
        joined["encoder"]["hidden_size"] = None if width == joined["hidden_size"] else width
        joined["preset"] = None
        joined = self._join.read(joined, dict(tree), encoder)
        try:
            return ModelConfig.model_validate(joined).model_copy(update={"preset": self.model_type})
        except ValidationError as wrong:
            raise ModelError("; ".join(worded(problem) for problem in wrong.errors(include_url=False))) from None

    def write(self, config: ModelConfig, vocabulary: Vocabulary | None) -> Tree:
        """Return the config.json of our config, as near as the class comes to it."""
        if list(config.stacks) != self.stacks:
            raise ModelError(f"stacks: {config.family}, {self.architecture} has {'_'.join(self.stacks)}")
        if config.pictures is None:
            raise ModelError(f"encoder: reads texts, that of {self.architecture} reads pictures")
        told, changes = self._join.write(config)
        tree: Tree = {"architectures": [self.architecture], "model_type": self.written}
        tree |= union(entry.write(Ours(config, vocabulary, self.architecture)) for entry in self.entries)
        for name, (place, part) in zip(STACKS, self.parts.items(), strict=True):
            one = part.write(_alone(config, name, {} if name == "encoder" else changes), vocabulary)
            tree[place] = {key: value for key, value in one.items() if key != "architectures"} | told.pop(place, {})
        return tree | told

    @property
    def _join(self) -> Join:
        assert self.join is not None
        return self.join

    def _part(self, tree: Mapping[str, Any], place: str, part: Family) -> ModelConfig:
        inner = tree.get(place)
        if not isinstance(inner, dict):
            raise ModelError(f"{place}: expected an object, found {inner!r:.60}")
        try:
            return part.read(
                {key: value for key, value in inner.items() if key not in ("architectures", *self.between)}
            )
        except ModelError as wrong:
            raise ModelError(f"{place}.{wrong}") from wrong


def whole(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a config.json with the ids that only its part which writes says, as the stock library asks for them."""
    part = tree.get("decoder") or tree.get("text_config")
    ids = {key: value for key, value in part.items() if key.endswith("_token_id")} if isinstance(part, dict) else {}
    return {**ids, **{key: value for key, value in tree.items() if value is not None or key not in ids}}


def _alone(config: ModelConfig, name: str, changes: Tree) -> ModelConfig:
    """Return the config of one stack of a model by itself."""
    tree = dump(config)
    stack = {**tree[name], "hidden_size": None, "cross": True, **changes}
    tree |= {"preset": None, "project": None, "image_token": None, "encoder": None, "decoder": None, name: stack}
    tree["hidden_size"] = config.width(name)
    if name == "encoder":
        tree |= {"head": "none", "tie": False, "vocab_size": 0}
    try:
        return ModelConfig.model_validate(tree)
    except ValidationError as wrong:
        raise ModelError(f"{name}: " + "; ".join(worded(one) for one in wrong.errors(include_url=False))) from None
