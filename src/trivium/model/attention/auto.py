"""Which kernel computes a case fastest, and why: the one place that ranks them."""

import torch
from torch import Tensor

from trivium.model.attention.kernel import SDPA, Case, Eager, Kernel
from trivium.model.attention.tiled import BLOCK, Tiled

LONG = 512
"""Keys from which on tiles are worth a look, on a CPU."""
SPARSE, WIDE = 0.6, 2048
"""The share of its blocks that a row of WIDE keys or more is read of, at most, where tiles pay; of shorter rows less.

A mask costs sdpa all pairs. At half of them both take as long in rows of 4,096 and tiles hold less; but a pair of a
short row costs sdpa less, and tiles more (`bench/attention.py`, the table of rows).
"""
MANY = 1024
"""Keys from which on a trained bias is too large to be written out for every pair."""


class Auto(Kernel, kind="auto"):
    """The fastest kernel for each call; see `choose`."""

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        return choose(case)[0].mix(q, k, v, scale, case)

    def reason(self) -> str:
        return "sdpa, tiled where much is left out or the scores would not fit, eager where neither can"


def choose(case: Case) -> tuple[Kernel, str]:
    """Pick a kernel for a case and say why."""
    view, capped = case.view, case.softcap is not None
    queries, keys = view.q.position.shape[1], view.k.position.shape[1]
    if case.dropout:
        return Eager() if capped else SDPA(), "attention dropout is not in the tiled kernel"
    # Elsewhere tiles are for reading, and a plan of blocks is no part of a compiled graph.
    tiles = case.device == "cpu" and not torch.compiler.is_compiling()
    long = tiles and min(queries, keys) >= LONG
    if capped:
        kernel, row = (Tiled(), f"a row of {keys:,} keys is long") if long else (Eager(), "the row is short")
        return kernel, f"scores are capped, which sdpa cannot, and {row}"
    if view.shape is not None:
        return SDPA(), f"whole documents under a {view.shape} pattern need no mask"
    trained = case.grad and any(x.requires_grad for x in view.relative.parameters())
    if long and keys >= MANY and view.biased and trained:
        return Tiled(), f"the bias is trained, and {keys:,} keys are too many to write it out"
    if not long:
        return SDPA(), f"one mask for all layers: {keys:,} keys are few"
    seen = f"{(share := view.share(BLOCK)):.0%} of the blocks of {keys:,} keys are seen"
    if share <= SPARSE * min(1.0, keys / WIDE):
        return Tiled(), f"{seen} at all"
    return SDPA(), f"one mask for all layers: {seen}, too many for tiles"
