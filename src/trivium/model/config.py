"""The tree that describes a model: which stacks there are and what they choose.

`preset` and `depth` are one way to fill it (see presets); every field may then be set by hand.
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Self

import torch
from pydantic import Field, model_validator

from trivium.base.config import Config, dump, merge, parse
from trivium.base.errors import ConfigError
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


class ModelConfig(Config):
    """A Transformer."""

    preset: str | None = None
    """A named set of choices that the other fields change."""
    vocab_size: int = Field(gt=0)
    hidden_size: int = Field(gt=0)
    context: int = Field(gt=0)
    """Positions the model is made for."""
    tie: bool = True
    """Whether the head's matrix is the token table."""
    embed: Embed = Tokens()
    encoder: StackConfig | None = None
    decoder: StackConfig | None = None
    head: Head = LM()
    init: Init = Normal()
    kernel: Kernel = Auto()

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        """Fill the tree from its preset, which reads the size fields, and lay the given fields over it."""
        if not isinstance(data, dict) or data.get("preset") is None:
            return data
        below, above = expand(data)
        return merge(below, {key: dump(value) for key, value in above.items()})

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.stacks:
            raise ValueError("expected an encoder, a decoder or both, found neither")
        for name, stack in self.stacks.items():
            if stack.head_size is None and self.hidden_size % stack.heads:
                raise ValueError(f"{name}: hidden_size {self.hidden_size} is not a multiple of heads {stack.heads}")
            if stack.heads % (stack.kv_heads or 1):
                raise ValueError(f"{name}: heads {stack.heads} is not a multiple of kv_heads {stack.kv_heads}")
            for position in stack.position[1:]:
                if type(position).additive is not Position.additive and position != stack.position[0]:
                    raise ValueError(
                        f"{name}.position: {position.kind} is added once, to the input of the stack; "
                        f"expected it first in the list, found {[position.kind for position in stack.position]}"
                    )
            if (why := self._refused(stack)) is not None:
                raise ValueError(f"{name}: the kernel {self.kernel.kind} {why}; kernel = 'auto' takes one that fits")
        for pattern in self.decoder.pattern if self.decoder else ():
            if pattern.ahead():
                kind = pattern.kind
                raise ValueError(
                    f"decoder.pattern: {kind} lets a token see later ones, which it must predict; "
                    f"write {{kind = 'and', of = ['causal', '{kind}']}}"
                )
        return self

    def _refused(self, stack: StackConfig) -> str | None:
        """Return why the kernel can never compute the attention of a stack on any device, or None."""
        if isinstance(self.kernel, Auto):
            return None
        where = Where(torch.arange(2)[None], torch.ones(1, 2, dtype=torch.long))
        for view in views(stack, self.hidden_size, where, plain=True).values():
            # The best case: what a machine or a training run adds to it is an error when it comes to that.
            case = Case(view, "cuda", torch.bfloat16, False, stack.attention_dropout, stack.softcap)
            if (why := self.kernel.refuse(case)) is not None:
                return why
        return None

    @property
    def stacks(self) -> dict[str, StackConfig]:
        """The stacks there are, by name."""
        both = {"encoder": self.encoder, "decoder": self.decoder}
        return {name: stack for name, stack in both.items() if stack is not None}

    @property
    def family(self) -> str:
        """`encoder`, `decoder` or `encoder_decoder`."""
        return "_".join(self.stacks)

    @property
    def limit(self) -> int | None:
        """The longest input there can be, where positions are a table."""
        limits = [position.limit(self.context) for stack in self.stacks.values() for position in stack.position]
        return min((limit for limit in limits if limit is not None), default=None)


def views(stack: StackConfig, hidden_size: int, where: Where, plain: bool) -> dict[tuple[Pattern, Position], View]:
    """Return the View of self-attention over tokens at `where` for each kind of layer of a stack."""
    shape = stack.heads, stack.head_width(hidden_size)
    kinds = dict.fromkeys(stack.kind(layer) for layer in range(stack.layers))
    return {kind: View(kind[0], where, where, plain, kind[1].relative(*shape)) for kind in kinds}


def kernels(config: ModelConfig, places: Mapping[str, Where], plain: Collection[str], device: str) -> dict[str, str]:
    """Return for each kind of layer the kernel of its self-attention in training on a device, and why.

    `places` says for each stack where the tokens of some rows sit, on the CPU; `plain` names the stacks whose rows are
    one whole document each.
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
            close = get_close_matches(key, [*sorted(top | stack), "ffn_size"], n=1, cutoff=0.5)
            raise ConfigError(f"build: {key}: unknown keyword" + (f"; did you mean '{close[0]}'?" if close else ""))
    for name in ("encoder", "decoder"):
        if flat and (name in tree or (preset in PRESETS and name in PRESETS[preset]())):
            tree[name] = merge(tree.get(name), flat)
    return parse(ModelConfig, tree, "build")
