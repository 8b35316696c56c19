"""How scores become outputs. Every kernel computes the same function; they differ in speed and memory.

softmax(q k^T * scale + view) v, with grouped heads: query head h reads key/value head h // (H / K).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from trivium.base.config import Choice
from trivium.model.view import View


class Kernel(Choice):
    """One way to compute attention."""

    def attend(
        self,
        q: Float[Tensor, "B H T E"],
        k: Float[Tensor, "B K S E"],
        v: Float[Tensor, "B K S E"],
        view: View,
        scale: float,
        dropout: float = 0.0,
        softcap: float | None = None,
    ) -> Float[Tensor, "B H T E"]:
        """Mix the values each query may see; a query that sees none gets zeros."""
        raise NotImplementedError

    def reason(self) -> str:
        """Why this kernel, for `trivium show`."""
        return "asked for"


class Eager(Kernel, kind="eager"):
    """The reference: writes the whole score matrix, takes any bias and softcap."""

    def attend(self, q, k, v, view, scale, dropout=0.0, softcap=None):  # type: ignore[no-untyped-def]
        groups = q.shape[1] // k.shape[1]
        k, v = (x.repeat_interleave(groups, dim=1) if groups > 1 else x for x in (k, v))
        scores = (q @ k.transpose(-1, -2)).float() * scale  # B H T S
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        weight = (scores + view.scores(torch.float32)).softmax(dim=-1)
        weight = F.dropout(weight, dropout).to(v.dtype) if dropout else weight.to(v.dtype)
        return (weight @ v).masked_fill(view.empty, 0.0)


class SDPA(Kernel, kind="sdpa"):
    """PyTorch's scaled_dot_product_attention: flash where the device has it, no mask where the pattern needs none."""

    def attend(self, q, k, v, view, scale, dropout=0.0, softcap=None):  # type: ignore[no-untyped-def]
        if softcap is not None:
            raise NotImplementedError("sdpa has no softcap")
        shape, grouped = view.shape, q.shape[1] != k.shape[1]
        mask = None if shape else view.scores(q.dtype)
        if mask is not None:
            mask = mask.expand(q.shape[0], -1, -1, -1)
        out = F.scaled_dot_product_attention(
            q, k, v, mask, dropout, is_causal=shape == "causal", scale=scale, enable_gqa=grouped
        )
        return out if shape else out.masked_fill(view.empty, 0.0)

    def reason(self) -> str:
        return "fused, and without a mask wherever the rows are whole documents"


class Auto(Kernel, kind="auto"):
    """sdpa wherever it computes the same thing, eager where it cannot."""

    def attend(self, q, k, v, view, scale, dropout=0.0, softcap=None):  # type: ignore[no-untyped-def]
        kernel = Eager() if softcap is not None else SDPA()
        return kernel.attend(q, k, v, view, scale, dropout, softcap)

    def reason(self) -> str:
        return "sdpa: " + SDPA().reason() + "; eager where scores are capped"
