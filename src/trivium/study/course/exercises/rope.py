"""Rotary positions of the queries or keys of one head."""

from collections.abc import Callable

import torch
from torch import Tensor

from trivium.model.layer.position import RoPE, rotate
from trivium.study.course.exercise import Case, Exercise

TEXT = '''import torch


def rope(x, positions, theta):
    """Return x turned by its positions, a tensor [T, E].

    x is a float tensor [T, E], positions one of integers [T], theta the base of the wavelengths (10000). Pair i is made
    of the numbers i and i + E/2 of a row. At position m it turns by the angle m * theta ** (-2 i / E):

        left, right = left * cos - right * sin, right * cos + left * sin
    """
    raise NotImplementedError
'''


def cases() -> list[Case]:
    """Return calls with positions that do not begin at 0 and are not in order."""
    draw = torch.Generator().manual_seed(3)
    places = ([0, 1, 2, 3], [7, 3, 20, 5, 6])
    return [
        (torch.randn(len(at), 8, generator=draw), torch.tensor(at), theta) for at in places for theta in (1e4, 50.0)
    ]


def ours(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    """Return x turned by the rotation of the model."""
    turn = RoPE(theta=theta).relative(1, x.shape[-1]).rotation(positions[None])
    assert turn is not None
    return rotate(x[None, None], turn)[0, 0]


def turned(
    exponent: float = -2.0, first: int = 0, sign: int = 1, counted: bool = False, pairs: str = "half"
) -> Callable[[Tensor, Tensor, float], Tensor]:
    """Return a rotation with one thing changed."""

    def turn(x: Tensor, positions: Tensor, theta: float) -> Tensor:
        half = x.shape[-1] // 2
        at = torch.arange(len(x)) if counted else positions
        angle = sign * (at + first)[:, None] * theta ** (exponent * torch.arange(half) / x.shape[-1])  # T E/2
        cos, sin = angle.cos(), angle.sin()
        left, right = (x[:, :half], x[:, half:]) if pairs == "half" else (x[:, ::2], x[:, 1::2])
        made = left * cos - right * sin, right * cos + left * sin
        return torch.cat(made, -1) if pairs != "next" else torch.stack(made, -1).flatten(1)

    return turn


def stale(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    """Return what a second line gives that reads the new left half."""
    half = x.shape[-1] // 2
    angle = positions[:, None] * theta ** (-2 * torch.arange(half) / x.shape[-1])
    left = x[:, :half] * angle.cos() - x[:, half:] * angle.sin()
    return torch.cat([left, x[:, half:] * angle.cos() + left * angle.sin()], -1)


MISTAKES = [
    ("the pairs are the numbers 2i and 2i + 1; here they are i and i + E/2", turned(pairs="next")),
    ("the pairs are taken as 2i and 2i + 1 and put back as halves; take i and i + E/2", turned(pairs="mixed")),
    ("pairs turn the wrong way: the sign of the sine is exchanged", turned(sign=-1)),
    ("the exponent is -i / E; the angle has theta ** (-2 i / E)", turned(exponent=-1.0)),
    ("the exponent has the wrong sign: later pairs must turn more slowly", turned(exponent=2.0)),
    ("all pairs turn by the same angle; pair i has theta ** (-2 i / E)", turned(exponent=0.0)),
    ("positions are counted from 1; take them as they are given", turned(first=1)),
    ("positions are counted 0, 1, 2 ...; take those that are given", turned(counted=True)),
    ("the second half is computed from the new first half; both lines read the old values", stale),
    ("x does not turn at all", lambda x, positions, theta: x),
]

EXERCISE = Exercise("rope", TEXT, cases, ours, MISTAKES)
