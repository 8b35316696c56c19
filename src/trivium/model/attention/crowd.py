"""A crowd: rows that are read in one pass, each with a cache of its own.

The pass is one row of tokens, and each row of the crowd is a neighbouring part of it. So matrix products take all rows
together, and attention is computed for each row alone: it needs no padding, and it cannot depend on the other rows.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trivium.model.attention.cache import KVCache, Pairs
from trivium.model.attention.pattern import Pattern, Where
from trivium.model.attention.view import View
from trivium.model.layer.position import RelativePosition


class Crowd:
    """The caches of the rows of a pass, and how many new tokens [1, T] each row has, in order."""

    def __init__(self, caches: Sequence[KVCache], counts: Sequence[int]) -> None:
        self.caches, self.counts = caches, list(counts)

    def extend(self, where: Where, plain: bool) -> None:
        """Store the places of new tokens in the cache of each row."""
        self.where = where
        prefixes = [None] * len(self.counts) if where.prefix is None else where.prefix.split(self.counts, dim=1)
        places = where.position.split(self.counts, dim=1), where.document.split(self.counts, dim=1), prefixes
        for cache, *place in zip(self.caches, *places, strict=True):
            cache.extend(Where(*place), plain=True)

    def view(self, pattern: Pattern, relative: RelativePosition) -> View:
        """Return the View of the pass, with a part for each row."""
        return self._joined(pattern, [cache.view(pattern, relative) for cache in self.caches], relative)

    def across(self) -> View | None:
        """Return the View of the pass to the memory of each row, where they have one."""
        views = [view for cache in self.caches if (view := cache.across()) is not None]
        return self._joined(views[0].pattern, views, None) if views else None

    def _joined(self, pattern: Pattern, views: Sequence[View], relative: RelativePosition | None) -> View:
        view = View(pattern, self.where, self.where, relative=relative)
        view.parts = list(zip(self.counts, views, strict=True))
        return view

    def append(self, layer: int, k: Tensor, v: Tensor) -> Pairs:
        """Append new keys and values [1, K, T, E] of a layer; return all kept ones of each row."""
        rooms = [cache.room[layer] for cache in self.caches]
        keys, values = [room[0] for room in rooms], [room[1] for room in rooms]
        torch._foreach_copy_([*keys, *values], [*k.split(self.counts, dim=2), *v.split(self.counts, dim=2)])
        return [cache.held[layer] for cache in self.caches]

    def cross(self, layer: int, make: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Pairs:
        """Return the keys and values of the memory of each row for a layer."""
        return [pair for cache in self.caches for pair in cache.cross(layer, make)]
