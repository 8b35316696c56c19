"""PyTorch's varlen attention: FlashAttention over documents end to end, so padding and packing cost nothing.

Dao 2023, FlashAttention-2 (arXiv:2307.08691). For CUDA, half precision, and full, causal and window patterns.
"""

import torch
from torch import Tensor

from trivium.model.attention.kernel import Case, Kernel
from trivium.model.attention.pattern import Causal, Full, Pattern, Window
from trivium.model.attention.view import View
from trivium.model.device import pick

HALF = (torch.bfloat16, torch.float16)


class Flash(Kernel, kind="flash"):
    """FlashAttention over documents end to end."""

    def absent(self) -> str | None:
        device = pick().type
        return None if device == "cuda" else f"needs a CUDA device, and this machine has {device} alone"

    def refuse(self, case: Case) -> str | None:
        view = case.view
        for wrong, why in (
            (case.device != "cuda", f"needs a CUDA device, and this is {case.device}"),
            (case.dtype not in HALF, f"computes in bfloat16 and float16, not in {str(case.dtype).split('.')[-1]}"),
            (case.dropout, "has no attention dropout"),
            (case.softcap is not None, "has no softcap"),
            (view.biased, "takes no bias"),
            (sides(view.pattern) is None, f"knows full, causal and window, not the pattern {view.pattern.kind}"),
            (not view.itself, "is for tokens that attend to each other, not for a memory or a cache"),
        ):
            if wrong:
                return why
        return None

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        from torch.nn.attention.varlen import varlen_attn  # costs more than a second

        if (made := case.view.made.get("flash")) is None:
            made = case.view.made["flash"] = runs(case.view, q.shape[0])
        there, edges, longest = made
        window = sides(case.view.pattern)
        assert window is not None
        query, key, value = (x.transpose(1, 2)[there] for x in (q, k, v))  # tokens H E
        grouped = q.shape[1] != k.shape[1]
        mixed = varlen_attn(
            query, key, value, edges, edges, longest, longest, scale=scale, window_size=window, enable_gqa=grouped
        )
        out = q.new_zeros(q.shape[0], q.shape[2], q.shape[1], q.shape[3])  # B T H E
        out[there] = mixed  # type: ignore[assignment]
        return out.transpose(1, 2)

    def reason(self) -> str:
        return "fused; padding and other documents cost nothing"


def sides(pattern: Pattern) -> tuple[int, int] | None:
    """Return how many keys a pattern allows to the left and right (-1: all), or None where no numbers say it."""
    match pattern:
        case Full():
            return -1, -1
        case Causal():
            return -1, 0
        case Window(size=size, both=both):
            return size - 1, size - 1 if both else 0
    return None


def runs(view: View, rows: int) -> tuple[Tensor, Tensor, int]:
    """Return where tokens are (bool [B, T]), the start of each document among all tokens, and the longest length."""
    document = view.q.document.expand(rows, -1)
    there = document > 0
    # Different rows get different document numbers, so that every change is an edge.
    number = (document + torch.arange(rows, device=document.device)[:, None] * (document.max() + 1))[there]
    lengths = torch.unique_consecutive(number, return_counts=True)[1]
    edges = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]).int()
    return there, edges, int(lengths.max())
