"""Which kernel computes a case fastest, and why: the one place that ranks them."""

import torch
from torch import Tensor

from trivium.model import flash, flex  # noqa: F401  their kinds join the family
from trivium.model.kernel import SDPA, Case, Eager, Kernel
from trivium.model.tiled import BLOCK, Tiled

LONG, SPARSE = 1024, 0.5
"""Where the tiled kernel can pay: rows of at least so many keys, of which at most such a share is looked at."""


class Auto(Kernel, kind="auto"):
    """The fastest kernel for each call; see `choose`."""

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        return choose(case)[0].mix(q, k, v, scale, case)

    def reason(self) -> str:
        return "sdpa, tiled where much is left out or the scores would not fit, eager where neither can"


def choose(case: Case) -> tuple[Kernel, str]:
    """Pick a kernel for a case and say why."""
    view = case.view
    queries, keys = view.q.position.shape[1], view.k.position.shape[1]
    long = min(queries, keys) >= LONG and case.device == "cpu" and not torch.compiler.is_compiling()
    wanted = [f"scores are capped at {case.softcap:g}"] if case.softcap is not None else []
    if case.grad and view.biased and any(x.requires_grad for x in view.relative.parameters()):
        wanted.append("the bias is trained")
    if case.dropout and case.softcap is not None:
        return Eager(), "attention dropout on capped scores is in no other kernel"
    if case.dropout:
        return SDPA(), "attention dropout is not in the tiled kernel"
    if wanted and long:
        return Tiled(), f"{' and '.join(wanted)}, and the scores of {keys:,} keys are too many to keep"
    if case.softcap is not None:
        return Eager(), f"{wanted[0]}, and the row is short"
    if view.shape is not None:
        return SDPA(), f"whole documents under a {view.shape} pattern need no mask"
    if long and (share := view.share(BLOCK)) <= SPARSE:
        return Tiled(), f"{share:.0%} of the blocks of {keys:,} keys are seen at all"
    return SDPA(), "most of the row is seen" if long else "the row is short"
