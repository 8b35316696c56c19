"""RMSNorm of the last axis."""

import torch
from torch import Tensor

from trivium.model.layer.norm import RMSNorm
from trivium.study.course.exercise import Case, Exercise

TEXT = '''import torch


def rmsnorm(x, weight, eps):
    """Return x / sqrt(mean(x^2) + eps) * weight, a tensor [T, D]; the mean is over the last axis.

    x is a float tensor [T, D], weight one [D], eps a small number.
    """
    raise NotImplementedError
'''


def cases() -> list[Case]:
    """Return calls with large and with tiny numbers, where eps counts."""
    draw = torch.Generator().manual_seed(2)
    return [
        (scale * torch.randn(3, size, generator=draw) + scale / 2, 1 + torch.rand(size, generator=draw), eps)
        for size, scale, eps in ((6, 2.0, 1e-6), (4, 0.01, 1e-3))
    ]


@torch.no_grad()
def ours(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Return what the module of the model gives."""
    module = RMSNorm(eps=eps).build(len(weight))
    module.get_parameter("weight").copy_(weight)
    return module(x)  # type: ignore[no-any-return]


def mean(x: Tensor, axis: int = -1) -> Tensor:
    """Return the mean of the squares."""
    return x.square().mean(axis, keepdim=True)


MISTAKES = [
    (
        "the mean is over the wrong axis: tokens are mixed; take it over the last axis, D",
        lambda x, w, e: x / (mean(x, 0) + e).sqrt() * w,
    ),
    (
        "one mean for all tokens; each row has its own, over the last axis",
        lambda x, w, e: x / (x.square().mean() + e).sqrt() * w,
    ),
    (
        "the mean is subtracted: that is LayerNorm; RMSNorm leaves it",
        lambda x, w, e: (x - x.mean(-1, keepdim=True)) / (mean(x - x.mean(-1, keepdim=True)) + e).sqrt() * w,
    ),
    (
        "x is divided by its standard deviation, which subtracts the mean; take the root of the mean square",
        lambda x, w, e: x / (x.var(-1, keepdim=True, correction=0) + e).sqrt() * w,
    ),
    ("weight is left out", lambda x, w, e: x / (mean(x) + e).sqrt()),
    ("weight is added; multiply by it", lambda x, w, e: x / (mean(x) + e).sqrt() + w),
    ("1 + weight is used; this weight is stored as it is", lambda x, w, e: x / (mean(x) + e).sqrt() * (1 + w)),
    ("eps is left out", lambda x, w, e: x / mean(x).sqrt() * w),
    ("eps is added outside of the root; add it to the mean square", lambda x, w, e: x / (mean(x).sqrt() + e) * w),
    ("the squares are summed; take their mean", lambda x, w, e: x / (x.square().sum(-1, keepdim=True) + e).sqrt() * w),
    ("the root is missing: x is divided by the mean square itself", lambda x, w, e: x / (mean(x) + e) * w),
    (
        "x is divided by the mean of its size; take the root of the mean square",
        lambda x, w, e: x / (x.abs().mean(-1, keepdim=True) + e) * w,
    ),
    ("x is multiplied by the root; divide by it", lambda x, w, e: x * (mean(x) + e).sqrt() * w),
]

EXERCISE = Exercise("rmsnorm", TEXT, cases, ours, MISTAKES)
