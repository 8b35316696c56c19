"""Attention by plain matrix products, for short rows: the fastest in a training step in bfloat16 on a CPU."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from trivium.model.attention.kernel import Case, Eager, shared


class Products(Eager, kind="products"):
    """Eager, with scores and weights in the type of the inputs; the softmax itself computes in float32."""

    def weights(self, q: Tensor, k: Tensor, scale: float, case: Case) -> Float[Tensor, "B H T S"]:
        k, view = shared(k, q), case.view
        if case.softcap is not None:
            scores = case.softcap * torch.tanh((q * scale) @ k.mT / case.softcap)
            return (scores if view.shape == "full" else scores + view.scores(q.dtype)).softmax(dim=-1)
        both = q.shape[0], q.shape[1]
        mask = None if view.shape == "full" else view.spread(q.dtype, both)
        scores = _Scores.apply(q.flatten(0, 1), k.flatten(0, 1), mask, scale)
        return scores.unflatten(0, both).softmax(dim=-1)  # type: ignore[no-any-return]

    def reason(self) -> str:
        return "fast products in bfloat16 where rows are short"


class _Scores(torch.autograd.Function):
    """scale * q k^T + mask, of [N, T, E], [N, S, E] and [N, T, S]: products alone, in the order of their operands."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, mask: Tensor | None, scale: float) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(q, k)
        ctx.scale = scale
        return _product(q, k.mT, scale) if mask is None else torch.baddbmm(mask, q, k.mT, alpha=scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        q, k = ctx.saved_tensors
        masked = grad if ctx.needs_input_grad[2] else None
        return _product(grad, k, ctx.scale), _product(grad.mT, q, ctx.scale), masked, None


def _product(a: Tensor, b: Tensor, scale: float) -> Tensor:
    """Return scale * a b."""
    return torch.baddbmm(a.new_empty(()), a, b, beta=0, alpha=scale)
