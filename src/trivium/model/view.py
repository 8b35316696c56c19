"""All that one kind of layer needs to know about a pass besides its input: built once, shared by its layers."""

from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from trivium.model.pattern import Pattern, Where
from trivium.model.position import Rotation


class View:
    """Which keys each query sees, what is added to the scores, and how queries and keys are turned.

    `plain` promises one whole document a row, the queries being its last T positions, so that a kernel may
    take the pattern's shape and needs no mask.
    """

    def __init__(
        self,
        pattern: Pattern,
        q: Where,
        k: Where,
        plain: bool = False,
        bias: Float[Tensor, "B H T S"] | None = None,
        rotation: Rotation | None = None,
    ) -> None:
        self.pattern, self.q, self.k, self.plain = pattern, q, k, plain
        self.bias, self.rotation = bias, rotation

    @property
    def shape(self) -> str | None:
        """`full` or `causal` where no mask is needed, else None."""
        if not self.plain or self.bias is not None:
            return None
        queries, keys = self.q.position.shape[1], self.k.position.shape[1]
        shape = self.pattern.shape(keys)
        if shape == "causal" and queries != keys:
            return "full" if queries == 1 else None  # the last position sees every key
        return shape

    @cached_property
    def mask(self) -> Bool[Tensor, "B 1 T S"]:
        """True where the query may see the key: same document, no padding, and the pattern allows it."""
        q = Where(self.q.position[:, None, :, None], self.q.document[:, None, :, None])
        k = Where(self.k.position[:, None, None, :], self.k.document[:, None, None, :])
        return (q.document == k.document) & (k.document > 0) & self.pattern.allow(q, k)

    @cached_property
    def empty(self) -> Bool[Tensor, "B 1 T 1"]:
        """True for queries that see no key at all (padding): their output is zero in every kernel."""
        return ~self.mask.any(dim=-1, keepdim=True)

    def scores(self, dtype: torch.dtype) -> Float[Tensor, "B H T S"]:
        """The mask and the bias as one number to add to each score.

        What may not be seen gets a large finite number, never -inf: a row without any key would turn to NaN.
        """
        if (cached := self._scores.get(dtype)) is None:
            hidden = torch.finfo(dtype).min / 2
            if self.bias is None:
                cached = torch.zeros(self.mask.shape, dtype=dtype, device=self.mask.device)
            else:
                cached = self.bias.to(dtype)
            cached = self._scores[dtype] = cached.masked_fill(~self.mask, hidden)
        return cached

    @cached_property
    def _scores(self) -> dict[torch.dtype, Tensor]:
        return {}
