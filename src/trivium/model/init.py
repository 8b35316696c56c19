"""How weights start: one table, measured by a test.

    part                                normal                       scaled                    fan_in
    token, type and position tables     N(0, std)                    N(0, std)                 N(0, std), std 1
    bias table of relative positions    N(0, std)                    N(0, 1 / sqrt(D))         N(0, 1 / sqrt(D))
    linear                              N(0, std)                    N(0, 1 / sqrt(fan_in))    N(0, 1 / sqrt(fan_in))
    linear into the stream (o, down)    N(0, std / sqrt(2 layers))   0                         N(0, 1 / sqrt(fan_in))
    untied head                         N(0, std)                    0                         N(0, 1 / sqrt(D))
    norm weights, biases                as built (1 or 0), 0         the same                  the same

`normal` is GPT-2's. `scaled` starts every block as the identity and learns faster at small widths. `fan_in` is T5's.
`mup` is `scaled` with learning rates that serve at every width.
Where scores are scaled by another factor than 1 / sqrt(E), the query matrix starts smaller or larger by that much, so
that attention starts equally flat everywhere.

The class of a module says its row of the table, or a `mark` where it is made.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from trivium.base.config import Choice

M = TypeVar("M", bound=nn.Module)


class Init(Choice):
    """The standard deviations of a fresh model."""

    std: float = Field(0.02, gt=0)
    """The standard deviation."""
    copies: bool = False
    """Whether cross-attention begins by handing on what it attends to: o is the transpose of v. A small decoder then
    looks at its encoder many times sooner."""

    def linear(self, fan_in: int) -> float:
        """Return the deviation of an ordinary linear layer."""
        return fan_in**-0.5

    def output(self, layers: int, fan_in: int) -> float:
        """Return the deviation of a linear layer that writes into the residual stream of a stack of `layers`."""
        return self.linear(fan_in)

    def head(self, fan_in: int) -> float:
        """Return the deviation of an untied head."""
        return self.std

    def rates(self, model: nn.Module) -> dict[nn.Parameter, float]:
        """Return the factor of the learning rate of each parameter that has another one than 1."""
        return {}


class Normal(Init, kind="normal"):
    """One small number everywhere (GPT-2)."""

    def linear(self, fan_in: int) -> float:
        return self.std

    def output(self, layers: int, fan_in: int) -> float:
        return self.std / math.sqrt(2 * layers)


class Scaled(Init, kind="scaled"):
    """By fan-in, with zero outputs."""

    def output(self, layers: int, fan_in: int) -> float:
        return 0.0

    def head(self, fan_in: int) -> float:
        return 0.0


class FanIn(Init, kind="fan_in"):
    """By fan-in, with tables of unit variance (T5)."""

    std: float = Field(1.0, gt=0)
    """The standard deviation."""

    def head(self, fan_in: int) -> float:
        return fan_in**-0.5


class MuP(Scaled, kind="mup"):
    """`scaled`, such that a learning rate found at the width `base_size` serves at any (Yang et al. 2022).

    Maximal update parametrisation (arXiv:2203.03466), for heads that keep their size and grow in number. At the width D
    matrices take the rate times base_size / D, an untied head too; tables, norms and biases take it as it is. The norm
    before a tied head begins at base_size / D, with the rate times as much: scores have that factor, and the stock
    class can still say the model. A step of Muon, which is orthogonal, has the root of the factor.
    """

    base_size: int = Field(128, gt=0, le=1 << 24)
    """The width at which learning rates are as they stand in the recipe."""

    def rates(self, model: nn.Module) -> dict[nn.Parameter, float]:
        share = self.base_size / int(model.config.hidden_size)  # type: ignore[union-attr, arg-type]
        tables = {one.weight for one in model.modules() if isinstance(one, nn.Embedding)}
        rest = tables.union(model.inputs.parameters())  # type: ignore[operator, union-attr]
        found = {one: share for one in model.parameters() if one.ndim > 1 and one not in rest}
        if getattr(model.head, "weight", None) in tables:
            found[last_norm(model).weight] = share  # type: ignore[index]
        return found


def last_norm(model: nn.Module) -> nn.Module:
    """Return the norm whose output meets the matrix of the head: of all norms it is made last."""
    return [one for one in model.modules() if getattr(getattr(one, "weight", None), "ndim", 0) == 1][-1]


class Undrawn(TorchFunctionMode):
    """A context in which `nn.init` draws no numbers, and tables of positions lie on the CPU.

    It stands inside `torch.device("meta")`: to do either without memory, torch would import its compiler (1.5 s).
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"]
        if func in (torch.arange, torch.tensor):
            kwargs.setdefault("device", "cpu")
        return func(*args, **kwargs)


Part = Literal["output", "head", "bias_table", "query"]


def mark(module: M, part: Part, factor: float = 1.0) -> M:
    """Mark what the weight of a module is where its class does not say it, and return the module.

    `output` writes into the residual stream, `head` is an untied head, `bias_table` holds biases of relative
    positions. The deviation of a `query` matrix is multiplied by `factor`.
    """
    module.part = part, factor  # type: ignore[assignment]
    return module


def transposed(v: Float[Tensor, "KE S"], heads: int, kv_heads: int) -> Float[Tensor, "S HE"]:
    """Return the output matrix that is the transpose of the values' matrix; query heads of one group share it."""
    return v.unflatten(0, (kv_heads, -1)).repeat_interleave(heads // kv_heads, 0).flatten(0, 1).T


def initialise(model: nn.Module, init: Init, hidden_size: int, layers: Mapping[str, int]) -> None:
    """Draw every weight of a fresh model from the table above; `layers` is the depth of each stack by its name."""
    marked = [(name, module, *getattr(module, "part", ("", 1.0))) for name, module in model.named_modules()]
    for name, module, part, _ in marked:
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=init.linear(hidden_size) if part == "bias_table" else init.std)
        elif isinstance(module, nn.Linear):
            depth, fan_in = layers.get(name.split(".")[0], 1), module.in_features
            nn.init.normal_(module.weight, std=init.output(depth, fan_in) if part == "output" else init.linear(fan_in))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, module, part, factor in marked:
        if part == "head":
            nn.init.normal_(module.weight, std=init.head(hidden_size))
        elif init.copies and name.endswith(".cross"):
            module.o.weight.data.copy_(transposed(module.v.weight.data, module.config.heads, module.config.kv_heads))
        elif factor != 1.0:
            nn.init.normal_(module.weight, std=factor * init.linear(hidden_size))
    for weight, rate in init.rates(model).items():
        if weight.ndim == 1:
            offset = getattr(last_norm(model), "offset", 0.0)
            weight.data = (weight.data + offset) * rate - offset
