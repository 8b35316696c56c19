"""The feed-forward sublayer, plain or gated.

Gated units: Shazeer 2020, "GLU Variants Improve Transformer" (arXiv:2002.05202).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal, Self

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.config import Choice
from trivium.model.device import cast
from trivium.model.init import mark

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "relu2": lambda x: F.relu(x).square()}
ACTIVATIONS |= {"gelu": F.gelu, "gelu_tanh": partial(F.gelu, approximate="tanh"), "silu": F.silu, "tanh": F.tanh}

Activation = Literal["relu", "relu2", "gelu", "gelu_tanh", "silu", "tanh"]

NAMES: dict[str, dict[str, str]] = {
    "swiglu": {"kind": "glu", "activation": "silu"},
    "geglu": {"kind": "glu", "activation": "gelu"},
    "reglu": {"kind": "glu", "activation": "relu"},
    **{name: {"kind": "mlp", "activation": name} for name in ("gelu", "relu", "relu2")},
}
"""The field's names for pairs of a kind and an activation; each may be given as a kind."""


class FFN(Choice):
    """The sublayer that works on each position alone. With `size` None the inner width follows from the model's."""

    gated: ClassVar[bool] = False
    activation: Activation = "gelu"
    """The function between the matrices."""
    size: int | None = Field(None, gt=0, le=1 << 24)
    """F, the inner width; None follows from the width of the model."""
    bias: bool = True
    """Whether the matrices have biases."""

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Return the kind for a name, a table or an instance; a name of the field sets the activation too."""
        table = {"kind": value} if isinstance(value, str) else value
        if isinstance(table, dict) and (meant := NAMES.get(str(table.get("kind")))):
            if table.get("activation", meant["activation"]) != meant["activation"]:
                name, kind, own, found = table["kind"], meant["kind"], meant["activation"], table["activation"]
                raise ValueError(
                    f"{name} has the activation {own}, found {found!r}; write kind = '{kind}' with another activation"
                )
            table = {**table, **meant}
        return super().parse(table)

    def width(self, hidden_size: int) -> int:
        """Return the inner width F."""
        raise NotImplementedError

    def build(self, hidden_size: int) -> nn.Module:
        """Return the module that maps [..., D] to [..., D]."""
        return FeedForward(self, hidden_size)


class FeedForward(nn.Module):
    """down(act(up(x))), or down(act(gate(x)) * up(x)) where it is gated."""

    def __init__(self, config: FFN, hidden_size: int) -> None:
        super().__init__()
        inner, bias = config.width(hidden_size), config.bias
        self.act = ACTIVATIONS[config.activation]
        self.gate = nn.Linear(hidden_size, inner, bias=bias) if config.gated else None
        self.up = nn.Linear(hidden_size, inner, bias=bias)
        self.both: nn.Module | None = None
        """What gives gate(x) and up(x) at once instead, where matrices are packed."""
        self.down = mark(nn.Linear(inner, hidden_size, bias=bias), "output")

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        if self.both is not None:
            gate, up = self.both(x)
            return self.down(self.act(gate) * up)
        if self.gate is None:
            return self.down(self.act(self.up(x)))
        x = cast(x)
        return self.down(self.act(self.gate(x)) * self.up(x))


class MLP(FFN, kind="mlp"):
    """Two matrices and an activation; F = 4 D by default."""

    def width(self, hidden_size: int) -> int:
        return self.size or 4 * hidden_size


class GLU(FFN, kind="glu"):
    """Three matrices and a gate: SwiGLU with silu, GEGLU with gelu, ReGLU with relu.

    F = 8/3 D by default, rounded up to a multiple of 64: it costs as much as an MLP of 4 D.
    """

    gated: ClassVar[bool] = True
    activation: Activation = "silu"
    """The function between the matrices."""
    bias: bool = False
    """Whether the matrices have biases."""

    def width(self, hidden_size: int) -> int:
        return self.size or -(-8 * hidden_size // (3 * 64)) * 64
