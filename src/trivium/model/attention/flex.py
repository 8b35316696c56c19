"""PyTorch's FlexAttention: the predicate of the pattern compiled into the kernel, over the blocks of the view.

Dong et al. 2024 (arXiv:2412.05496). It trains on CUDA. On the CPU it has no backward pass and makes all scores: there
it checks the predicate.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from trivium.model.attention.kernel import Case, Kernel
from trivium.model.attention.view import View

BLOCK = 128


class Flex(Kernel, kind="flex"):
    """A block mask and a predicate, compiled on CUDA."""

    def refuse(self, case: Case) -> str | None:
        if case.dropout:
            return "has no attention dropout"
        if case.device not in ("cuda", "cpu"):
            return f"runs on CUDA, and on a CPU without gradients, not on {case.device}"
        if case.grad and case.device == "cpu":
            return "has no backward pass on the CPU"
        if case.grad and case.view.biased and any(x.requires_grad for x in case.view.relative.parameters()):
            return "cannot train a bias"
        return None

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        view, cap = case.view, case.softcap
        bias = view.bias() if view.biased else None

        def change(score: Tensor, row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            if cap is not None:
                score = cap * torch.tanh(score / cap)
            return score if bias is None else score + bias[row % bias.shape[0], head, query, key]

        if (mask := view.made.get("flex")) is None:
            mask = view.made["flex"] = block_mask(view, q.shape[0])
        call = compiled() if case.device == "cuda" else flex_attention
        grouped = q.shape[1] != k.shape[1]
        out = call(q, k, v, None if cap is None and bias is None else change, mask, scale, enable_gqa=grouped)
        return out if view.shape else out.masked_fill(view.empty, 0.0)

    def reason(self) -> str:
        return "the predicate is compiled into the kernel; blocks without allowed pairs are skipped"


@cache
def compiled() -> Any:
    """Return FlexAttention compiled as one kernel."""
    return torch.compile(flex_attention, dynamic=False)


def block_mask(view: View, rows: int) -> BlockMask:
    """Return the view as FlexAttention's block mask: the blocks of keys for each block of queries."""
    q, k = view.q, view.k

    def allow(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        row = row % q.position.shape[0]
        mine, theirs = q.map(lambda x: x[row, query]), k.map(lambda x: x[row, key])
        same = (mine.document == theirs.document) & (theirs.document > 0)
        return same & view.pattern.allow(mine, theirs)

    states = view.states(BLOCK).expand(rows, -1, -1)[:, None]  # B 1 T/block S/block
    lengths = q.position.shape[1], k.position.shape[1]
    # blocks that need the predicate, and blocks that do not
    some, whole = _listed(states == 1), _listed(states == 2)
    return BlockMask.from_kv_blocks(
        some[0], some[1], whole[0], whole[1], BLOCK_SIZE=BLOCK, mask_mod=allow, seq_lengths=lengths
    )


def _listed(there: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of true entries of each line, and the line's indices with theirs first."""
    return there.sum(-1).int(), there.int().argsort(dim=-1, descending=True, stable=True).int()
