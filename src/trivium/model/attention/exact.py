"""Attention in blocks of one size: the result of a query has the same bits in every pass that computes it.

A matrix product of another shape adds in another order, so its last bits differ. Here every product has QUERIES rows
and KEYS keys, and a key is always in the same block: it does not matter whether a prompt is read whole, in pieces or
one token at a time. The softmax goes on from block to block as in `tiled`; a block that nobody sees changes no bit.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from trivium.model.attention.kernel import Case, Kernel

QUERIES, KEYS = 16, 128
"""The queries and the keys of a block; shorter blocks are filled up."""


class Exact(Kernel, kind="exact"):
    """Blocks of one size: bits that do not depend on the other queries of the pass; for the engine's exact mode."""

    def refuse(self, case: Case) -> str | None:
        return "has no attention dropout" if case.dropout else None

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        # A window's keys begin anywhere; a block begins at a multiple of KEYS from the beginning of the text.
        first = int(case.view.k.position[0, 0]) % KEYS if case.view.plain else 0
        wide = torch.promote_types(q.dtype, torch.float32)
        q, k, v = q.to(wide) * scale, k.to(wide), v.to(wide)
        outs = [
            self._block(q[:, :, at : at + QUERIES], k, v, slice(at, at + QUERIES), first, case)
            for at in range(0, q.shape[2], QUERIES)
        ]
        return (outs[0] if len(outs) == 1 else torch.cat(outs, dim=2)).to(case.dtype)

    def _block(self, q: Tensor, k: Tensor, v: Tensor, queries: slice, first: int, case: Case) -> Tensor:
        """Return the output [B, H, T, E] of a block of queries; the first key is the `first` of its block."""
        view, count = case.view, q.shape[2]
        rows = F.pad(q, (0, 0, 0, QUERIES - count)).unflatten(1, (k.shape[1], -1)).flatten(2, 3)  # B K GQ E
        top = rows.new_full((*rows.shape[:3], 1), torch.finfo(rows.dtype).min)  # finite: -inf - -inf is NaN
        total, mix = torch.zeros_like(top), torch.zeros_like(rows)
        for start in range(-first, k.shape[2], KEYS):
            keys = slice(max(start, 0), min(start + KEYS, k.shape[2]))
            fill = keys.start - start, start + KEYS - keys.stop  # before and after
            key, value = (F.pad(x[:, :, keys], (0, 0, *fill)) if any(fill) else x[:, :, keys] for x in (k, v))
            scores = rows @ key.mT  # B K GQ S
            if case.softcap is not None:
                scores = case.softcap * torch.tanh(scores / case.softcap)
            scores = scores.unflatten(2, (-1, QUERIES))  # B K G Q S
            around = (*fill, 0, QUERIES - count)
            if (bias := view.bias(queries=queries, keys=keys)) is not None:
                scores = scores + F.pad(bias, around).unflatten(1, (k.shape[1], -1))
            allow = F.pad(view.allow(queries=queries, keys=keys), around)  # B 1 Q S
            scores = scores.masked_fill(~allow.unsqueeze(2), -torch.inf).flatten(2, 3)
            higher = torch.maximum(top, scores.amax(-1, keepdim=True))
            weight, fade = (scores - higher).exp(), (top - higher).exp()
            total = total * fade + weight.sum(-1, keepdim=True)
            mix = mix * fade + weight @ value
            top = higher
        out = mix / total.where(total > 0, 1.0)
        return out.unflatten(2, (-1, QUERIES)).flatten(1, 2)[:, :, :count]
