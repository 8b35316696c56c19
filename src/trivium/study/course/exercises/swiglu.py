"""SwiGLU, the feed-forward network with a gate."""

import torch
from torch import Tensor
from torch.nn import functional as F

from trivium.model.layer.ffn import GLU
from trivium.study.course.exercise import Case, Exercise

TEXT = '''import torch


def swiglu(x, gate, up, down):
    """Return (silu(x gate) * (x up)) down, a tensor [T, D]; silu(a) = a * sigmoid(a).

    x is a float tensor [T, D]; gate and up are matrices [D, F], down is one [F, D].
    """
    raise NotImplementedError
'''


def cases() -> list[Case]:
    """Return calls of two sizes; D and F differ."""
    draw = torch.Generator().manual_seed(4)

    def made(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    return [(made(3, d), made(d, f), made(d, f), made(f, d)) for d, f in ((4, 6), (5, 8))]


@torch.no_grad()
def ours(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Return what the module of the model gives with these matrices."""
    module = GLU(size=gate.shape[1]).build(gate.shape[0])
    for name, matrix in (("gate", gate), ("up", up), ("down", down)):
        module.get_parameter(f"{name}.weight").copy_(matrix.T)
    return module(x)  # type: ignore[no-any-return]


MISTAKES = [
    ("the activation is on x up; it belongs on the gate", lambda x, g, u, d: ((x @ g) * F.silu(x @ u)) @ d),
    ("both branches have an activation; only the gate has one", lambda x, g, u, d: (F.silu(x @ g) * F.silu(x @ u)) @ d),
    (
        "the product of both branches goes through silu; only the gate does",
        lambda x, g, u, d: F.silu((x @ g) * (x @ u)) @ d,
    ),
    (
        "the gate has a sigmoid (that is GLU); silu(a) is a * sigmoid(a)",
        lambda x, g, u, d: (torch.sigmoid(x @ g) * (x @ u)) @ d,
    ),
    ("the gate has a ReLU (that is ReGLU); use silu", lambda x, g, u, d: (F.relu(x @ g) * (x @ u)) @ d),
    ("the gate has a GELU (that is GEGLU); use silu", lambda x, g, u, d: (F.gelu(x @ g) * (x @ u)) @ d),
    ("the gate has no activation", lambda x, g, u, d: ((x @ g) * (x @ u)) @ d),
    ("the branches are added; multiply them", lambda x, g, u, d: (F.silu(x @ g) + (x @ u)) @ d),
    ("there is no gate: x up is left out", lambda x, g, u, d: F.silu(x @ g) @ d),
]

EXERCISE = Exercise("swiglu", TEXT, cases, ours, MISTAKES)
