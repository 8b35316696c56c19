"""Attention over blocks of queries and tiles of keys: never an n x n tensor, and no work for what nobody sees.

The softmax of a row needs its maximum and its sum, which are known at the end of the row only. The way out is to go on
with what is known so far: a maximum m, a sum l and a mix o of the values. Where a tile brings a larger maximum m', all
that was summed up before is too large by the factor exp(m' - m), and is scaled down:

    m' = max(m, max s)    l' = l exp(m - m') + sum exp(s - m')    o' = o exp(m - m') + exp(s - m') v

At the end o / l is the output. The backward pass has kept lse = m + log l of each row, makes the weights of a tile
again as p = exp(s - lse), and with D = sum(output * gradient) its scores have the gradient ds = p (dp - D).

Milakov and Gimelshein 2018 (arXiv:1805.02867); Dao et al. 2022, FlashAttention (arXiv:2205.14135).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from trivium.model.attention.kernel import Case, Kernel
from trivium.model.attention.view import ALL, KeyTile, QueryBlock, View

BLOCK, WIDEST = 128, 512
"""Queries of a block and keys of a tile: small enough for a core's cache, large enough for its matrix product."""


class Tiled(Kernel, kind="tiled"):
    """Online softmax over blocks, on any device, with any pattern, bias and softcap; memory grows with n, not n^2."""

    def refuse(self, case: Case) -> str | None:
        return "has no attention dropout" if case.dropout else None

    @torch.compiler.disable  # a loop over tiles is nothing to unroll
    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        call = TiledScores(case.view, k.shape[1], q.shape[1] // k.shape[1], scale, case.softcap)
        with torch.autocast(q.device.type, enabled=False):
            out: Tensor = TiledAttention.apply(call, q, k, v, *case.view.relative.parameters())  # type: ignore[no-untyped-call]
        return out

    def reason(self) -> str:
        return "memory grows with n, and blocks that nobody sees cost nothing"


class TiledScores:
    """One call's tiles and how their scores come about. Heads that share keys are rows of one matrix.

    Letters here: N = B K matrices, G = H / K heads of queries in each, t queries of a block, s keys of a tile.
    """

    def __init__(self, view: View, kv_heads: int, groups: int, scale: float, softcap: float | None) -> None:
        self.view, self.kv_heads, self.groups, self.scale, self.softcap = view, kv_heads, groups, scale, softcap
        self.plan = view.plan(BLOCK, WIDEST)

    def matrices(self, stripe: QueryBlock) -> slice:
        """Which of the N matrices a stripe's rows are."""
        if stripe.rows == ALL:
            return ALL
        return slice(stripe.rows.start * self.kv_heads, stripe.rows.stop * self.kv_heads)

    def queries(self, x: Tensor, wide: torch.dtype) -> Tensor:
        """[B, H, T, E] as [N, G, T, E]."""
        return x.to(wide).unflatten(1, (self.kv_heads, self.groups)).flatten(0, 1)

    def scores(self, query: Tensor, key: Tensor, stripe: QueryBlock, tile: KeyTile, bias: Tensor | None) -> Tensor:
        """Scores [N, G t, s] of scaled queries, capped, biased, -inf where nothing is seen."""
        scores = torch.bmm(query, key.mT)
        if self.softcap is not None:
            scores.div_(self.softcap).tanh_().mul_(self.softcap)
        by_head = scores.view(-1, self.kv_heads * self.groups, query.shape[1] // self.groups, key.shape[1])  # B H t s
        if bias is not None:
            by_head += bias
        if not tile.whole:
            # Added to all heads: a fill by a mask that is the same for them costs three times as much.
            allow = self.view.allow(stripe.rows, stripe.queries, tile.keys)
            by_head += torch.where(allow, by_head.new_zeros(()), -torch.inf)
        return scores

    def bias(self, stripe: QueryBlock, tile: KeyTile) -> Tensor | None:
        """What is added to a tile's scores."""
        return self.view.bias(stripe.rows, stripe.queries, tile.keys) if self.view.biased else None


class TiledAttention(torch.autograd.Function):
    """The forward and the backward pass. The parameters are those of the bias, so that they get their gradient."""

    @staticmethod
    def forward(ctx: Any, call: TiledScores, q: Tensor, k: Tensor, v: Tensor, *parameters: Tensor) -> Tensor:
        wide = torch.promote_types(q.dtype, torch.float32)
        query, key, value = call.queries(q, wide) * call.scale, k.to(wide).flatten(0, 1), v.to(wide).flatten(0, 1)
        out = torch.zeros_like(query)  # N G T E
        lse = query.new_full(query.shape[:-1], torch.inf)  # N G T; of a query that sees nothing: its weights are 0
        for stripe in call.plan:
            at = call.matrices(stripe), ALL, stripe.queries
            block = query[at].flatten(1, 2)  # N Gt E
            top = block.new_full((*block.shape[:2], 1), torch.finfo(wide).min)  # finite: -inf - -inf is no number
            total, mix = torch.zeros_like(top), torch.zeros_like(block)
            for tile in stripe.tiles:
                scores = call.scores(block, key[at[0], tile.keys], stripe, tile, call.bias(stripe, tile))
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
        for stripe in call.plan:
            at = call.matrices(stripe), ALL, stripe.queries
            block, d_out = query[at].flatten(1, 2), gradient[at].flatten(1, 2)  # N Gt E
            row_lse, row_delta = lse[at].flatten(1, 2).unsqueeze(-1), delta[at].flatten(1, 2).unsqueeze(-1)
            d_block = torch.zeros_like(block)
            for tile in stripe.tiles:
                keys = at[0], tile.keys
                with torch.enable_grad():
                    bias = call.bias(stripe, tile)
                scores = call.scores(block, key[keys], stripe, tile, None if bias is None else bias.detach())
                slope = None
                if call.softcap is not None:  # d tanh = 1 - tanh^2; the mask is no matter, its weights are 0
                    capped = torch.bmm(block, key[keys].mT).div_(call.softcap).tanh_()
                    slope = 1 - capped.square_()
                weight = scores.sub_(row_lse).exp_()
                d_value[keys] += torch.bmm(weight.mT, d_out)
                d_scores = torch.bmm(d_out, value[keys].mT).sub_(row_delta).mul_(weight)
                if bias is not None and bias.requires_grad:
                    by_head = d_scores.view(-1, *bias.shape[1:]).sum_to_size(bias.shape).to(bias.dtype)
                    parts = torch.autograd.grad(bias, ctx.parameters, by_head)
                    for whole, part in zip(d_parameters, parts, strict=True):
                        whole += part
                if slope is not None:
                    d_scores.mul_(slope)
                d_block.baddbmm_(d_scores, key[keys])
                d_key[keys] += torch.bmm(d_scores.mT, block)
            d_query[at] = d_block.mul_(call.scale).unflatten(1, (call.groups, -1))
        grads = (d_query.view(q.shape), d_key.view(k.shape), d_value.view(v.shape))
        return None, *(grad.to(q.dtype) for grad in grads), *d_parameters
