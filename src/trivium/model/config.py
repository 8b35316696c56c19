"""The configuration of a model: its stacks and their choices.

`preset` and `depth` are a short way to fill the tree (see `presets`); other fields change what they give.
"""

from collections.abc import Collection, Mapping
from typing import Any, Self

import torch
from pydantic import ConfigDict, Field, model_validator

from trivium.base.config import Config, Unset, dump, merge, parse
from trivium.base.errors import ConfigError
from trivium.base.explain import closest
from trivium.model.attention.auto import Auto, choose
from trivium.model.attention.kernel import Case, Kernel
from trivium.model.attention.pattern import Pattern, Where
from trivium.model.attention.view import View
from trivium.model.init import Init, Normal
from trivium.model.layer.embed import Embed, Tokens
from trivium.model.layer.head import LM, Head
from trivium.model.layer.position import Position
from trivium.model.presets import PRESETS, expand
from trivium.model.stack import StackConfig

DEPTH = {"type": "integer", "minimum": 1, "description": "Sets layers and heads, and 64 times as much width."}
"""The key of a file that is no field of a model, in the JSON schema."""


class ModelConfig(Config):
    """The choices of a Transformer."""

    model_config = ConfigDict(json_schema_extra=lambda tree: tree["properties"].update(depth=DEPTH))

    preset: str | None = None
    """A named set of choices, which the other fields change."""
    vocab_size: int = Field(gt=0, lt=1 << 31)
    """V, the rows of the token table; a recipe takes it from its data folder."""
    hidden_size: int = Field(gt=0, le=1 << 24)
    """D, the width."""
    context: int = Field(gt=0, lt=1 << 31)
    """The maximum number of positions."""
    tie: bool = True
    """Whether the matrix of the head is the token table."""
    embed: Embed = Tokens()
    """The way in: from ids to vectors."""
    encoder: StackConfig | None = None
    """The stack that reads in both directions."""
    decoder: StackConfig | None = None
    """The stack that writes, or reads from left to right."""
    head: Head = LM()
    """The way out: from vectors to scores."""
    init: Init = Normal()
    """How weights begin."""
    kernel: Kernel = Auto()
    """How attention is computed: the same function, other speed and memory."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        """Return the tree of the preset at the given size, with the given fields over it."""
        if not isinstance(data, dict) or data.get("preset") in (None, Unset.VALUE):
            return data
        below, above = expand(data)
        return merge(below, {key: dump(value) for key, value in above.items()})

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.stacks:
            raise ValueError("expected an encoder, a decoder or both, found neither")
        for name, stack in self.stacks.items():
            if (why := self._wrong(stack)) is not None:
                raise ValueError(f"{name}{why}")
        for pattern in self.decoder.pattern if self.decoder else ():
            if pattern.ahead():
                raise ValueError(
                    f"decoder.pattern: {pattern.kind} lets a token attend to later ones, which it must predict; "
                    f"write {{kind = 'and', of = ['causal', '{pattern.kind}']}}"
                )
        return self

    def _wrong(self, stack: StackConfig) -> str | None:
        """Return what is wrong with a stack, or None."""
        if stack.head_size is None and self.hidden_size % stack.heads:
            return f": hidden_size {self.hidden_size} is not a multiple of heads {stack.heads}"
        if stack.heads % (stack.kv_heads or 1):
            return f": heads {stack.heads} is not a multiple of kv_heads {stack.kv_heads}"
        for position in stack.position[1:]:
            if type(position).additive is not Position.additive and position != stack.position[0]:
                kinds = [position.kind for position in stack.position]
                return (
                    f".position: {position.kind} is added once, to the input of the stack; expected it first in the "
                    f"list, found {kinds}"
                )
        if isinstance(self.kernel, Auto):
            return None
        where = Where(torch.arange(2)[None], torch.ones(1, 2, dtype=torch.long))
        for view in views(stack, self.hidden_size, where, plain=True).values():
            # The best case: a limit of the machine or the training run is an error only when it is met.
            case = Case(view, "cuda", torch.bfloat16, False, stack.attention_dropout, stack.softcap)
            if (why := self.kernel.refuse(case)) is not None:
                return f": the kernel {self.kernel.kind} {why}; kernel = 'auto' takes one that fits"
        return None

    @property
    def stacks(self) -> dict[str, StackConfig]:
        """The stacks of the model by name."""
        both = {"encoder": self.encoder, "decoder": self.decoder}
        return {name: stack for name, stack in both.items() if stack is not None}

    @property
    def family(self) -> str:
        """`encoder`, `decoder` or `encoder_decoder`."""
        return "_".join(self.stacks)

    @property
    def limit(self) -> int | None:
        """The maximum length of an input where positions are a table, else None."""
        limits = [position.limit(self.context) for stack in self.stacks.values() for position in stack.position]
        return min((limit for limit in limits if limit is not None), default=None)


def views(stack: StackConfig, hidden_size: int, where: Where, plain: bool) -> dict[tuple[Pattern, Position], View]:
    """Return the View of self-attention over tokens at `where` for each kind of layer of a stack."""
    shape = stack.heads, stack.head_width(hidden_size)
    kinds = dict.fromkeys(stack.kind(layer) for layer in range(stack.layers))
    return {kind: View(kind[0], where, where, plain, kind[1].relative(*shape)) for kind in kinds}


def kernels(config: ModelConfig, places: Mapping[str, Where], plain: Collection[str], device: str) -> dict[str, str]:
    """Return for each kind of layer the kernel of its self-attention in training on a device, and why.

    `places` has for each stack the places of the tokens of some rows, on the CPU; `plain` names the stacks in which
    each row is one whole document.
    """
    found, own = {}, config.kernel
    for name, stack in config.stacks.items():
        for (pattern, position), view in views(stack, config.hidden_size, places[name], name in plain).items():
            case = Case(view, device, dropout=stack.attention_dropout, softcap=stack.softcap)
            kernel, why = choose(case) if isinstance(own, Auto) else (own, own.absent() or own.reason())
            found[f"{name}, {pattern.kind}, {position.kind}"] = f"{kernel.kind}: {why}"
    return found


def configure(preset: str, **overrides: Any) -> ModelConfig:
    """Return the config of a preset with flat fields over it; a field of a stack sets every stack.

    An unknown field is a ConfigError that names the closest one.
    """
    top, stack = {*ModelConfig.model_fields, "depth"}, set(StackConfig.model_fields)
    tree: dict[str, Any] = {"preset": preset}
    flat: dict[str, Any] = {}
    for key, value in overrides.items():
        if key in top:
            tree[key] = dump(value)
        elif key in stack:
            flat[key] = dump(value)
        elif key == "ffn_size":
            flat = merge(flat, {"ffn": {"size": value}})
        else:
            raise ConfigError(f"build: {key}: unknown keyword{closest(key, [*sorted(top | stack), 'ffn_size'])}")
    for name in ("encoder", "decoder"):
        if flat and (name in tree or (preset in PRESETS and name in PRESETS[preset])):
            tree[name] = merge(tree.get(name), flat)
    return parse(ModelConfig, tree, "build")
