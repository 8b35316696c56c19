"""The tree that describes a model: which stacks there are and what they choose.

`preset` and `depth` are one way to fill it (see presets); every field may then be set by hand.
"""

from typing import Any, Self

import torch
from pydantic import Field, model_validator

from trivium.base.config import Config, dump, merge
from trivium.model.attention.auto import Auto
from trivium.model.attention.kernel import Case, Kernel
from trivium.model.attention.pattern import Where
from trivium.model.attention.view import View
from trivium.model.init import Init, Normal
from trivium.model.layer.embed import Embed, Tokens
from trivium.model.layer.head import LM, Head
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
        from trivium.model.presets import expand  # presets build on this file

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
        """Say why the kernel can never do what a stack asks for, on whatever device."""
        if isinstance(self.kernel, Auto):
            return None
        where = Where(torch.arange(2)[None], torch.ones(1, 2, dtype=torch.long))
        for pattern, position in {stack.kind(layer) for layer in range(stack.layers)}:
            relative = position.relative(stack.heads, stack.head_width(self.hidden_size))
            view = View(pattern, where, where, plain=True, relative=relative)
            # The best case: what a machine or a training run adds to it is said when it comes to that.
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
