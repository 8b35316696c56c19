"""The sum of a stream and a sublayer's output with its RMSNorm, in few passes over memory.

A step in bfloat16 keeps the stream of a model in float32. Operator by operator, a norm in it is a cast of the addend,
a sum, four passes of the norm, a cast of the result, and in the backward pass more of the same. Here a block of rows
stays in the cache of a core while all of it is done. PyTorch's LayerNorm is one pass already, and gains nothing.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

BLOCK = 1 << 17
"""The numbers of a block of rows: 512 KiB in float32."""


def fits(x: Tensor) -> bool:
    """Return whether these passes pay: a training step in bfloat16 on a CPU, with x in float32 and not compiled."""
    half = torch.is_grad_enabled() and x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    plain = type(x) is Tensor and x.dtype == torch.float32 and x.is_contiguous()
    return half and plain and not torch.compiler.is_compiling()


def joined(
    x: Float[Tensor, "*B D"],
    addend: Float[Tensor, "*B D"] | None,
    weight: Float[Tensor, " D"],
    eps: float,
    dtype: torch.dtype,
) -> tuple[Float[Tensor, "*B D"], Float[Tensor, "*B D"]]:
    """Return x + addend, or x where there is none, and its RMSNorm in `dtype`; x and weight have one type."""
    return _Joined.apply(x, addend, weight, eps, dtype)  # type: ignore[no-any-return]


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, addend: Tensor | None, weight: Tensor, eps: float, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        total = x if addend is None else torch.empty_like(x)
        inverse, out = x.new_empty(*x.shape[:-1], 1), torch.empty_like(x, dtype=dtype)
        for rows, more, made, factor, normed in _blocks(x, addend, total, inverse, out):
            if more is not None:
                torch.add(rows, more.to(rows.dtype), out=made)
            square = torch.linalg.vector_norm(made, dim=-1, keepdim=True).square_()
            factor.copy_(square.div_(x.shape[-1]).add_(eps).rsqrt_())
            normed.copy_((made * factor).mul_(weight))
        ctx.save_for_backward(total, inverse, weight)
        ctx.addend = None if addend is None else addend.dtype
        ctx.set_materialize_grads(False)
        return total, out

    @staticmethod
    def backward(ctx: Any, passed: Tensor | None, grad: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        total, inverse, weight = ctx.saved_tensors
        if grad is None:  # nobody reads the norm
            return passed, None if ctx.addend is None or passed is None else passed.to(ctx.addend), None, None, None
        grad_x, grad_weight = torch.empty_like(total), torch.zeros_like(weight)
        grad_addend = None if ctx.addend is None else torch.empty_like(total, dtype=ctx.addend)
        for given, rows, factor, more, made, added in _blocks(grad, total, inverse, passed, grad_x, grad_addend):
            wide = given.to(rows.dtype)
            product = wide * rows
            along = (product @ weight)[:, None] * factor.pow(3).div_(-rows.shape[-1])
            grad_weight += factor[:, 0] @ product
            torch.mul(rows, along, out=made) if more is None else torch.addcmul(more, rows, along, out=made)
            made.addcmul_(torch.mul(wide, weight, out=product), factor)
            if added is not None:
                added.copy_(made)
        return grad_x, grad_addend, grad_weight, None, None


def _blocks(*tensors: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Yield blocks of the rows of tensors that have the same number of them; None stays None."""
    count = next(max(1, BLOCK // one.shape[-1]) for one in tensors if one is not None)
    parts = [repeat(None) if one is None else one.reshape(-1, one.shape[-1]).split(count) for one in tensors]
    return zip(*parts, strict=False)
