"""Attention of some heads, with or without the causal mask."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from trivium.model.attention.kernel import Eager
from trivium.model.attention.pattern import Causal, Full, Where
from trivium.model.attention.view import View
from trivium.study.course.exercise import Case, Exercise

TEXT = '''import torch


def attention(q, k, v, causal):
    """Return what each query reads: softmax(q k^T / sqrt(E)) v, a tensor [H, T, E].

    q, k, v are float tensors [H, T, E]: H heads, T tokens, E numbers of a head. With `causal` a query sees the keys at
    its own place and before it; without, it sees all.
    """
    raise NotImplementedError
'''


def cases() -> list[Case]:
    """Return calls whose three sizes differ, so that a wrong axis shows."""
    draw = torch.Generator().manual_seed(1)
    shapes = ((2, 5, 4), (3, 4, 8))
    return [(*torch.randn(3, *shape, generator=draw), causal) for shape in shapes for causal in (False, True)]


def ours(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Return the outputs of the reference kernel."""
    at = torch.arange(q.shape[1])[None]
    where = Where(at, torch.ones_like(at))
    view = View(Causal() if causal else Full(), where, where, plain=True)
    return Eager().attend(q[None], k[None], v[None], view, q.shape[-1] ** -0.5)[0]


def wrong(scale: str = "root", axis: int = -1, mask: str = "right") -> Callable[..., Tensor]:
    """Return attention with one thing changed."""

    def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        heads, length, width = q.shape
        scales = {"root": width**0.5, "none": 1.0, "width": width, "length": length**0.5, "heads": heads**0.5}
        scales["whole"] = math.sqrt(heads * width)
        scores = q @ k.mT / scales[scale]
        later = torch.ones(length, length).triu(1).bool()
        if causal and mask == "right":
            scores = scores.masked_fill(later, -math.inf)
        if causal and mask == "zero":
            scores = scores.masked_fill(later, 0.0)
        if causal and mask == "earlier":
            scores = scores.masked_fill(later.mT, -math.inf)
        if causal and mask == "strict":
            scores = scores.masked_fill(torch.ones_like(later).triu(0), -math.inf)
        weights = scores.softmax(axis)
        if causal and mask == "after":
            weights = weights.masked_fill(later, 0.0)
        return weights @ v

    return attend


MISTAKES = [
    ("scores are not divided by the root of the head width E", wrong("none")),
    ("scores are divided by E; divide by its root", wrong("width")),
    (
        "scores are divided by the root of T, the number of tokens; divide by the root of E, the last axis",
        wrong("length"),
    ),
    (
        "scores are divided by the root of H, the number of heads; divide by the root of E, the last axis",
        wrong("heads"),
    ),
    ("scores are divided by the root of H x E; divide by the root of E, the width of one head", wrong("whole")),
    ("the softmax runs over the queries; it must run over the keys, the last axis of the scores", wrong(axis=-2)),
    ("the softmax runs over the heads; it must run over the keys, the last axis of the scores", wrong(axis=0)),
    ("a row sees a later position: with causal, mask the keys after each query", wrong(mask="none")),
    ("masked scores are 0, so a softmax still gives them weight; set them to -inf", wrong(mask="zero")),
    ("the mask is turned round: queries see later keys and not earlier ones", wrong(mask="earlier")),
    ("a query does not see its own place; the causal mask leaves the diagonal open", wrong(mask="strict")),
    (
        "weights are masked after the softmax, so they no longer add up to 1; mask the scores before it",
        wrong(mask="after"),
    ),
    (
        "this is the mean of all values: scores of queries and keys do not count",
        lambda q, k, v, causal: v.mean(1, keepdim=True).expand_as(v),
    ),
]

EXERCISE = Exercise("attention", TEXT, cases, ours, MISTAKES)
