"""Attention whose result has the same bits for a query in every pass that computes it.

A matrix product of another shape may add in another order, so its last bits differ. Here a product has KEYS keys, and
from `fewest` rows on the number of rows changes no bit on this machine: that is tried once. The maximum of the scores
has no order; sums go from block to block, and a block that nobody sees adds zero. So it does not matter whether a
prompt is read whole, in pieces or one token at a time, nor which rows are beside it.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from trivium.model.attention.kernel import Case, Kernel
from trivium.model.attention.slots import BLOCK

QUERIES, KEYS = 32, BLOCK
"""The most queries and the number of keys of a block; the first key of a View is the first of a block."""


@cache
def fewest(width: int) -> int:
    """Return the fewest rows of products with KEYS keys of a width that have the bits of QUERIES rows."""
    draw = torch.Generator().manual_seed(0)
    q, k, w = (torch.randn(2, *size, generator=draw) for size in ((QUERIES, width), (KEYS, width), (QUERIES, KEYS)))
    whole = q @ k.mT, w @ k

    def same(rows: int) -> bool:
        return torch.equal(q[:, :rows] @ k.mT, whole[0][:, :rows]) and torch.equal(w[:, :rows] @ k, whole[1][:, :rows])

    sizes = [QUERIES // 2**n for n in range(QUERIES.bit_length())]
    return min(size for at, size in enumerate(sizes) if all(map(same, sizes[: at + 1])))


class Exact(Kernel, kind="exact"):
    """Products of few shapes: bits that do not depend on what else is computed; for the engine's exact mode."""

    def refuse(self, case: Case) -> str | None:
        return "has no attention dropout" if case.dropout else None

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        wide = torch.promote_types(q.dtype, torch.float32)
        fill = -k.shape[2] % KEYS
        q, k, v = q.to(wide) * scale, F.pad(k.to(wide), (0, 0, 0, fill)), F.pad(v.to(wide), (0, 0, 0, fill))
        outs = [
            self._block(q[:, :, at : at + QUERIES], k, v, slice(at, at + QUERIES), fill, case)
            for at in range(0, q.shape[2], QUERIES)
        ]
        return (outs[0] if len(outs) == 1 else torch.cat(outs, dim=2)).to(case.dtype)

    def _block(self, q: Tensor, k: Tensor, v: Tensor, queries: slice, fill: int, case: Case) -> Tensor:
        """Return the output [B, H, T, E] of a block of queries; the last `fill` keys are none."""
        count, heads = q.shape[2], k.shape[1]
        more = max(-(-fewest(q.shape[3]) * heads // q.shape[1]) - count, 0)
        q = F.pad(q, (0, 0, 0, more)).unflatten(1, (heads, -1)).flatten(2, 3)  # B K GQ E
        scores = torch.cat([q @ key.mT for key in k.split(KEYS, dim=2)], dim=-1)
        if case.softcap is not None:
            scores = case.softcap * torch.tanh(scores / case.softcap)
        scores = scores.unflatten(2, (-1, count + more))  # B K G Q S
        around = 0, fill, 0, more
        if (bias := case.view.bias(queries=queries)) is not None:
            scores = scores + F.pad(bias, around).unflatten(1, (heads, -1))
        allow = F.pad(case.view.allow(queries=queries), around).unsqueeze(2)  # B 1 1 Q S
        scores = scores.masked_fill_(~allow, -torch.inf).flatten(2, 3)
        top = scores.amax(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)  # finite: -inf - -inf is NaN
        weight = (scores - top).exp()
        total, mix = torch.zeros_like(top), torch.zeros_like(q)
        for some, value in zip(weight.split(KEYS, dim=-1), v.split(KEYS, dim=2), strict=True):
            total, mix = total + some.sum(-1, keepdim=True), mix + some @ value
        out = mix / total.where(total > 0, 1.0)
        return out.unflatten(2, (-1, count + more)).flatten(1, 2)[:, :, :count]
