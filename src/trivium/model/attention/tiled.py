"""Attention over blocks of queries and tiles of keys: no n x n tensor, and no work for pairs that are not allowed.

The softmax of a row needs its maximum and its sum, which are known only at the end of the row. So go on with those so
far: a maximum m, a sum l and a weighted sum o of the values. Where a tile has a larger maximum m', scale down the
earlier sums:

    m' = max(m, max s)    l' = l exp(m - m') + sum exp(s - m')    o' = o exp(m - m') + exp(s - m') v

At the end o / l is the output. The backward pass keeps lse = m + log l of each row, computes the weights of a tile
again as p = exp(s - lse), and with D = sum(output * gradient) the gradient of its scores is ds = p (dp - D).

Milakov and Gimelshein 2018 (arXiv:1805.02867); Dao et al. 2022, FlashAttention (arXiv:2205.14135).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from trivium.model.attention.kernel import Case, Kernel
from trivium.model.attention.view import ALL, KeyTile, QueryBlock, View

BLOCK, WIDEST = 128, 512
"""Queries in a block and keys in a tile: small enough for a core's cache, large enough for fast matrix products."""


class Tiled(Kernel, kind="tiled"):
    """Online softmax over blocks, on any device, with any pattern, bias and softcap; memory grows with n, not n^2."""

    def refuse(self, case: Case) -> str | None:
        return "has no attention dropout" if case.dropout else None

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        if torch.compiler.is_compiling():  # do not unroll the loop over tiles
            out: Tensor = torch.compiler.disable(self._mix)(q, k, v, scale, case)
            return out
        return self._mix(q, k, v, scale, case)

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        call = TiledScores(case.view, k.shape[1], q.shape[1] // k.shape[1], scale, case.softcap)
        with torch.autocast(q.device.type, enabled=False):
            out: Tensor = TiledAttention.apply(call, q, k, v, *case.view.relative.parameters())  # type: ignore[no-untyped-call]
        return out

    def reason(self) -> str:
        return "memory grows with n, and blocks without allowed pairs cost nothing"


class TiledScores:
    """The tiles of one call, and their scores. Query heads that share keys are rows of one matrix.

    Letters here: N = B K matrices, G = H / K query heads in each, t queries in a block, s keys in a tile.
    """

    def __init__(self, view: View, kv_heads: int, groups: int, scale: float, softcap: float | None) -> None:
        self.view, self.kv_heads, self.groups, self.scale, self.softcap = view, kv_heads, groups, scale, softcap
        self.plan = view.plan(BLOCK, WIDEST)

    def matrices(self, part: QueryBlock) -> slice:
        """Return the slice of the N matrices of a block's rows."""
        if part.rows == ALL:
            return ALL
        return slice(part.rows.start * self.kv_heads, part.rows.stop * self.kv_heads)

    def queries(self, x: Tensor, wide: torch.dtype) -> Tensor:
        """Return [B, H, T, E] as [N, G, T, E]."""
        return x.to(wide).unflatten(1, (self.kv_heads, self.groups)).flatten(0, 1)

    def scores(self, query: Tensor, key: Tensor, part: QueryBlock, tile: KeyTile, bias: Tensor | None) -> Tensor:
        """Return the scores [N, G t, s] of scaled queries: capped, biased, -inf where not allowed."""
        scores = torch.bmm(query, key.mT)
        if self.softcap is not None:
            scores.div_(self.softcap).tanh_().mul_(self.softcap)
        by_head = scores.view(-1, self.kv_heads * self.groups, query.shape[1] // self.groups, key.shape[1])  # B H t s
        if bias is not None:
            by_head += bias
        if not tile.whole:
            # Added to all heads at once: masked_fill costs three times as much.
            allow = self.view.allow(part.rows, part.queries, tile.keys)
            by_head += torch.where(allow, by_head.new_zeros(()), -torch.inf)
        return scores

    def bias(self, part: QueryBlock, tile: KeyTile) -> Tensor | None:
        """Return what is added to the scores of a tile."""
        return self.view.bias(part.rows, part.queries, tile.keys) if self.view.biased else None


class TiledAttention(torch.autograd.Function):
    """The forward and backward pass. `parameters` are those of the bias, which get a gradient too."""

    @staticmethod
    def forward(ctx: Any, call: TiledScores, q: Tensor, k: Tensor, v: Tensor, *parameters: Tensor) -> Tensor:
        wide = torch.promote_types(q.dtype, torch.float32)
        query, key, value = call.queries(q, wide) * call.scale, k.to(wide).flatten(0, 1), v.to(wide).flatten(0, 1)
        out = torch.zeros_like(query)  # N G T E
        lse = query.new_full(query.shape[:-1], torch.inf)  # N G T; inf gives a query without keys the weights 0
        for part in call.plan:
            at = call.matrices(part), ALL, part.queries
            block = query[at].flatten(1, 2)  # N Gt E
            top = block.new_full((*block.shape[:2], 1), torch.finfo(wide).min)  # finite: -inf - -inf is NaN
            total, mix = torch.zeros_like(top), torch.zeros_like(block)
            for tile in part.tiles:
                scores = call.scores(block, key[at[0], tile.keys], part, tile, call.bias(part, tile))
                higher = torch.maximum(top, scores.amax(-1, keepdim=True))
                weight = scores.sub_(higher).exp_()
                fade = (top - higher).exp_()
                total.mul_(fade).add_(weight.sum(-1, keepdim=True))
                mix.mul_(fade).baddbmm_(weight, value[at[0], tile.keys])
                top = higher
            seen = total > 0
            out[at] = (mix / total.where(seen, 1.0)).unflatten(1, (call.groups, -1))
            lse[at] = (top + total.log()).where(seen, torch.inf).squeeze(-1).unflatten(1, (call.groups, -1))
        ctx.call, ctx.parameters = call, parameters
        out = out.view(q.shape).to(q.dtype)
        ctx.save_for_backward(q, k, v, out, lse)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        call, (q, k, v, out, lse) = ctx.call, ctx.saved_tensors
        wide = lse.dtype
        query, key, value = call.queries(q, wide) * call.scale, k.to(wide).flatten(0, 1), v.to(wide).flatten(0, 1)
        gradient, out = call.queries(gradient, wide), call.queries(out, wide)
        delta = (gradient * out).sum(-1)  # N G T
        d_query, d_key, d_value = torch.zeros_like(query), torch.zeros_like(key), torch.zeros_like(value)
        d_parameters = [torch.zeros_like(parameter) for parameter in ctx.parameters]
        for part in call.plan:
            at = call.matrices(part), ALL, part.queries
            block, d_out = query[at].flatten(1, 2), gradient[at].flatten(1, 2)  # N Gt E
            row_lse, row_delta = lse[at].flatten(1, 2).unsqueeze(-1), delta[at].flatten(1, 2).unsqueeze(-1)
            d_block = torch.zeros_like(block)
            for tile in part.tiles:
                keys = at[0], tile.keys
                with torch.enable_grad():
                    bias = call.bias(part, tile)
                scores = call.scores(block, key[keys], part, tile, None if bias is None else bias.detach())
                slope = None
                if call.softcap is not None:  # d tanh = 1 - tanh^2; masked weights are 0
                    capped = torch.bmm(block, key[keys].mT).div_(call.softcap).tanh_()
                    slope = 1 - capped.square_()
                weight = scores.sub_(row_lse).exp_()
                d_value[keys] += torch.bmm(weight.mT, d_out)
                d_scores = torch.bmm(d_out, value[keys].mT).sub_(row_delta).mul_(weight)
                if bias is not None and bias.requires_grad:
                    by_head = d_scores.view(-1, *bias.shape[1:]).sum_to_size(bias.shape).to(bias.dtype)
                    pieces = torch.autograd.grad(bias, ctx.parameters, by_head)
                    for whole, piece in zip(d_parameters, pieces, strict=True):
                        whole += piece
                if slope is not None:
                    d_scores.mul_(slope)
                d_block.baddbmm_(d_scores, key[keys])
                d_key[keys] += torch.bmm(d_scores.mT, block)
            d_query[at] = d_block.mul_(call.scale).unflatten(1, (call.groups, -1))
        grads = (d_query.view(q.shape), d_key.view(k.shape), d_value.view(v.shape))
        return None, *(grad.to(q.dtype) for grad in grads), *d_parameters
