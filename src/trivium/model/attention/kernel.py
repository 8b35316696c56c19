"""Attention kernels. All compute the same function and differ in speed and memory:

    softmax(cap(q k^T * scale) + view) v,  where query head h reads key/value head h // (H / K)

Here are the reference and PyTorch's own; `products`, `tiled`, `flex` and `flash` have files of their own.
"""

from typing import Any, NamedTuple, Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from trivium.base.config import Choice
from trivium.base.errors import ConfigError
from trivium.model.attention.view import View


class Case(NamedTuple):
    """What a call asks for besides its tensors: this decides which kernels can compute it, and which is best."""

    view: View
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    grad: bool = True
    dropout: float = 0.0
    softcap: float | None = None


class Kernel(Choice):
    """An implementation of attention."""

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
        """Return the weighted values of each query; zeros for a query that sees no key.

        Raise ConfigError where this kernel cannot compute the case.
        """
        grad = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
        case = Case(view, q.device.type, q.dtype, grad, dropout, softcap)
        key = id(self), *case[1:]  # with the view in it, the view would hold itself, and its masks stay for long
        if (kernel := view.made.get(key)) is None:  # asked for by every layer of the pass
            if (why := self.refuse(case)) is not None:
                raise ConfigError(f"kernel: {self.kind} {why}; kernel = 'auto' takes one that fits")
            kernel = view.made[key] = self.choose(case)
        out: Tensor = kernel.mix(q, k, v, scale, case)
        return out

    def choose(self, case: Case) -> "Kernel":
        """Return the kernel that computes a case: this one, unless it only chooses among others."""
        return self

    def refuse(self, case: Case) -> str | None:
        """Return why this kernel cannot compute a case, or None."""
        return None

    def ready(self, hollow: bool = False) -> Self:
        """Return this kernel, or raise ConfigError where this machine cannot run it.

        A `hollow` model is only counted, loaded or exported, so every kernel is ready for it.
        """
        if not hollow and (why := self.absent()) is not None:
            raise ConfigError(f"model.kernel: {self.kind} {why}; kernel = 'auto' takes one that fits")
        return self

    def absent(self) -> str | None:
        """Return why no device of this machine can run this kernel, or None."""
        return None

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        """Compute `attend` for a case that is not refused."""
        raise NotImplementedError

    def reason(self) -> str:
        """Return why this kernel is used, for `trivium show`."""
        return "asked for"


class Eager(Kernel, kind="eager"):
    """The reference: makes the whole score matrix; takes any bias, softcap and dropout."""

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        weight = self.weights(q, k, scale, case)
        weight = F.dropout(weight, case.dropout) if case.dropout else weight
        out = weight.to(v.dtype) @ shared(v, q)
        return out if case.view.sure else out.masked_fill(case.view.empty, 0.0)

    def weights(self, q: Tensor, k: Tensor, scale: float, case: Case) -> Float[Tensor, "B H T S"]:
        """Return the weight of each key for each query; the weights of a query that sees no key have no meaning."""
        wide = torch.promote_types(q.dtype, torch.float32)
        scores = (q @ shared(k, q).mT).to(wide) * scale  # B H T S
        if case.softcap is not None:
            scores = case.softcap * torch.tanh(scores / case.softcap)
        return (scores + case.view.scores(wide)).softmax(dim=-1)


def shared(x: Float[Tensor, "B K S E"], q: Float[Tensor, "B H T E"]) -> Float[Tensor, "B H S E"]:
    """Return keys or values repeated for each query head that reads them."""
    groups = q.shape[1] // x.shape[1]
    return x.repeat_interleave(groups, dim=1) if groups > 1 else x


class SDPA(Kernel, kind="sdpa"):
    """PyTorch's scaled_dot_product_attention: flash where the device has it, no mask where the pattern needs none."""

    def refuse(self, case: Case) -> str | None:
        return "has no softcap" if case.softcap is not None else None

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        shape, grouped = case.view.shape, q.shape[1] != k.shape[1]
        mask = None if shape else case.view.scores(q.dtype)
        if mask is not None:
            mask = mask.expand(q.shape[0], -1, -1, -1)
        out: Any = F.scaled_dot_product_attention(
            q, k, v, mask, case.dropout, is_causal=shape == "causal", scale=scale, enable_gqa=grouped
        )
        return out if case.view.sure else out.masked_fill(case.view.empty, 0.0)

    def reason(self) -> str:
        return "fused, and without a mask wherever the rows are whole documents"
