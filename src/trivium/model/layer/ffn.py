"""The feed-forward sublayer, plain or gated.

Gated units: Shazeer 2020, "GLU Variants Improve Transformer" (arXiv:2002.05202).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Self

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.config import Choice
from trivium.model.init import mark

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
    "tanh": F.tanh,
}

Activation = Literal["relu", "relu2", "gelu", "gelu_tanh", "silu", "tanh"]

NAMES: dict[str, dict[str, str]] = {
    "swiglu": {"kind": "glu", "activation": "silu"},
    "geglu": {"kind": "glu", "activation": "gelu"},
    "reglu": {"kind": "glu", "activation": "relu"},
    **{name: {"kind": "mlp", "activation": name} for name in ("gelu", "relu", "relu2")},
}
"""What the field calls some pairs of a kind and an activation; each may stand where a kind does."""


class FFN(Choice):
    """What a block does at each position alone. `size` None derives the inner width from the model's."""

    activation: Activation = "gelu"
    size: int | None = None
    bias: bool = True

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Make the kind that a name, a table or an instance stands for."""
        table = {"kind": value} if isinstance(value, str) else value
        if isinstance(table, dict) and (meant := NAMES.get(str(table.get("kind")))):
            table = {**table, **meant}
        return super().parse(table)

    def width(self, hidden_size: int) -> int:
        """The inner width F."""
        raise NotImplementedError

    def build(self, hidden_size: int) -> nn.Module:
        """Make the module that maps [..., D] to [..., D]."""
        raise NotImplementedError


class PlainFFN(nn.Module):
    """down(act(up(x)))"""

    def __init__(self, config: "MLP", hidden_size: int) -> None:
        super().__init__()
        inner = config.width(hidden_size)
        self.act = ACTIVATIONS[config.activation]
        self.up = nn.Linear(hidden_size, inner, bias=config.bias)
        self.down = mark(nn.Linear(inner, hidden_size, bias=config.bias), "output")

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.down(self.act(self.up(x)))


class GatedFFN(nn.Module):
    """down(act(gate(x)) * up(x))"""

    def __init__(self, config: "GLU", hidden_size: int) -> None:
        super().__init__()
        inner = config.width(hidden_size)
        self.act = ACTIVATIONS[config.activation]
        self.gate = nn.Linear(hidden_size, inner, bias=config.bias)
        self.up = nn.Linear(hidden_size, inner, bias=config.bias)
        self.down = mark(nn.Linear(inner, hidden_size, bias=config.bias), "output")

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.down(self.act(self.gate(x)) * self.up(x))


class MLP(FFN, kind="mlp"):
    """Two matrices and an activation; F = 4 D by default."""

    def width(self, hidden_size: int) -> int:
        return self.size or 4 * hidden_size

    def build(self, hidden_size: int) -> nn.Module:
        return PlainFFN(self, hidden_size)


class GLU(FFN, kind="glu"):
    """Three matrices and a gate: SwiGLU with silu, GEGLU with gelu, ReGLU with relu.

    F = 8/3 D by default, rounded up to a multiple of 64, so that it costs what an MLP of 4 D costs.
    """

    activation: Activation = "silu"
    bias: bool = False

    def width(self, hidden_size: int) -> int:
        return self.size or -(-8 * hidden_size // (3 * 64)) * 64

    def build(self, hidden_size: int) -> nn.Module:
        return GatedFFN(self, hidden_size)
