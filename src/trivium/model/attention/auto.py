"""The choice of the fastest kernel for a case, with the reason: the only place that ranks kernels."""

import torch

from trivium.model.attention.kernel import SDPA, Case, Eager, Kernel
from trivium.model.attention.products import Products
from trivium.model.attention.tiled import BLOCK, Tiled

SHORT = 512
"""The number of keys up to which plain products are faster than sdpa in training in bfloat16, on a CPU.

A layer of 12 heads and 1,024 tokens takes 31 ms for 48 where rows have 256 keys, 51 for 72 with 512, 99 for 68 with
1,024 (a Xeon with AMX, one thread, forward and backward).
"""
LONG = 512
"""The number of keys from which tiles can be faster, on a CPU."""
SPARSE, WIDE = 0.6, 2048
"""The largest share of blocks seen at which tiles are faster, in rows of WIDE keys or more; less in shorter rows.

With a mask sdpa computes all pairs. At half of the pairs both take the same time in rows of 4,096, and tiles use less
memory; in a short row a pair costs sdpa less and tiles more (`bench/attention.py`, the table of rows).
"""
MANY = 1024
"""The number of keys from which a trained bias is too large to write out for every pair."""


class Auto(Kernel, kind="auto"):
    """The fastest kernel for each call: see `choose`."""

    def choose(self, case: Case) -> Kernel:
        return choose(case)[0]

    def reason(self) -> str:
        return (
            "sdpa; products in bfloat16; tiled where most pairs are left out or scores do not fit; eager where none can"
        )


def choose(case: Case) -> tuple[Kernel, str]:
    """Return the kernel for a case, and why."""
    view, capped = case.view, case.softcap is not None
    queries, keys = view.q.position.shape[1], view.k.position.shape[1]
    half = case.dtype == torch.bfloat16 and case.grad and case.device == "cpu"
    if half and keys <= SHORT and not capped:
        return Products(), f"a backward pass in bfloat16 is slow in sdpa, and {keys:,} keys are few"
    if case.dropout:
        return Eager() if capped else SDPA(), "attention dropout is not in the tiled kernel"
    # On other devices tiles are only a reference, and a compiled graph cannot hold a plan of blocks.
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
