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
from trivium.model.init import Init, MuP, Normal
from trivium.model.layer.embed import Embed, Tokens
from trivium.model.layer.head import LM, MLM, Head
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
    vocab_size: int = Field(ge=0, lt=1 << 31)
    """V, the rows of the token table; a recipe takes it from its data folder. A model of pictures alone has 0."""
    hidden_size: int = Field(gt=0, le=1 << 24)
    """D, the width of the token table and of the stack before the head."""
    context: int = Field(gt=0, lt=1 << 31)
    """The maximum number of positions."""
    tie: bool = True
    """Whether the matrix of the head is the token table."""
    embed: Embed = Tokens()
    """The way in: from ids to vectors."""
    project: bool | None = None
    """Whether a matrix takes the encoder's states to the decoder's width; None is where the widths differ."""
    image_token: int | None = Field(None, ge=0)
    """The id in whose places the encoder's states stand where the decoder has no cross-attention; None is the last."""
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
            if (why := self._wrong(stack, self.width(name)) or self._strange(name, stack)) is not None:
                raise ValueError(f"{name}{why}")
        if not self.cross and self.family == "encoder_decoder":
            if self.image_token is None:  # a number from here on: a longer vocabulary does not move it
                object.__setattr__(self, "image_token", self.vocab_size - 1)
            if self.image_token is not None and self.image_token >= self.vocab_size:
                raise ValueError(f"image_token: expected an id below vocab_size, found {self.image_token}")
            if self.memory_size != self.hidden_size:
                raise ValueError("project: expected true: states of another width take no place of a token")
        if isinstance(self.init, MuP) and any(getattr(part, "scale", False) for part in (self.embed, self.head)):
            raise ValueError(
                "init: mup has no rule for a table that is multiplied by the root of the width; take scaled"
            )
        if self.init.copies and not (self.cross and self.memory_size == self.hidden_size):
            raise ValueError("init.copies: expected a decoder with cross-attention to states of its own width")
        for pattern in self.decoder.pattern if self.decoder else ():
            if pattern.ahead():
                raise ValueError(
                    f"decoder.pattern: {pattern.kind} lets a token attend to later ones, which it must predict; "
                    f"write {{kind = 'and', of = ['causal', '{pattern.kind}']}}"
                )
        return self

    def _strange(self, name: str, stack: StackConfig) -> str | None:
        """Return why a stack cannot read what its place in the model gives it, or None."""
        pictures = self.reads(name).patch_size > 0
        if pictures and name == "decoder":
            return ".embed: a decoder writes what it reads, and no model here writes pictures"
        if not self.vocab_size and (not pictures or isinstance(self.head, LM | MLM)):
            return ": ids are read or written; expected a vocab_size above 0"
        if self.width(name) != self.hidden_size and not (pictures and self.decoder is not None):
            return f".hidden_size: expected {self.hidden_size}, the model's; only an encoder of pictures has its own"
        return None

    def _wrong(self, stack: StackConfig, hidden_size: int) -> str | None:
        """Return what is wrong with a stack of a width, or None."""
        if stack.head_size is None and hidden_size % stack.heads:
            return f": hidden_size {hidden_size} is not a multiple of heads {stack.heads}"
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
        for view in views(stack, hidden_size, where, plain=True).values():
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
        """The maximum length of a text where positions are a table, else None."""
        stacks = [stack for name, stack in self.stacks.items() if not self.reads(name).patch_size]
        limits = [position.limit(self.context) for stack in stacks for position in stack.position]
        return min((limit for limit in limits if limit is not None), default=None)

    def width(self, name: str) -> int:
        """Return D of a stack."""
        return self.stacks[name].hidden_size or self.hidden_size

    def reads(self, name: str) -> Embed:
        """Return the way into a stack."""
        return self.stacks[name].embed or self.embed

    @property
    def pictures(self) -> Embed | None:
        """The way in of an encoder that reads pictures, or None."""
        return self.reads("encoder") if self.encoder is not None and self.reads("encoder").patch_size else None

    @property
    def texts(self) -> bool:
        """Whether a stack reads ids, so that there is a table of tokens."""
        return any(not self.reads(name).patch_size for name in self.stacks)

    @property
    def cross(self) -> bool:
        """Whether a decoder attends to an encoder."""
        return self.encoder is not None and self.decoder is not None and self.decoder.cross

    @property
    def placeholder(self) -> int | None:
        """The id in whose places the encoder's states stand; None where a decoder attends to them, or has none."""
        return None if self.cross or self.encoder is None or self.decoder is None else self.image_token

    @property
    def projects(self) -> bool:
        """Whether the encoder's states go through a matrix."""
        if self.encoder is None or self.decoder is None:
            return False
        return self.width("encoder") != self.hidden_size if self.project is None else self.project

    @property
    def memory_size(self) -> int:
        """The width of the states that an encoder gives to a decoder."""
        return self.hidden_size if self.projects or self.encoder is None else self.width("encoder")


def views(stack: StackConfig, hidden_size: int, where: Where, plain: bool) -> dict[tuple[Pattern, Position], View]:
    """Return the View of self-attention over tokens at `where` for each kind of layer of a stack."""
    shape = stack.heads, stack.head_width(hidden_size)
    kinds = dict.fromkeys(stack.kind(layer) for layer in range(stack.layers))
    return {kind: View(kind[0], where, where, plain, kind[1].relative(*shape)) for kind in kinds}


def kernels(
    config: ModelConfig,
    places: Mapping[str, Where],
    plain: Collection[str],
    device: str,
    dtype: torch.dtype = torch.float32,
) -> dict[str, str]:
    """Return for each kind of layer the kernel of its self-attention in training on a device in a type, and why.

    `places` has for each stack the places of the tokens of some rows, on the CPU; `plain` names the stacks in which
    each row is one whole document.
    """
    found, own = {}, config.kernel
    for name, stack in config.stacks.items():
        for (pattern, position), view in views(stack, config.width(name), places[name], name in plain).items():
            case = Case(view, device, dtype, dropout=stack.attention_dropout, softcap=stack.softcap)
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
