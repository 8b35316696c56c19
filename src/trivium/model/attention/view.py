"""The View of a pass for one kind of layer: mask, bias and rotation, built once and shared by its layers.

It joins the pattern with documents, padding and positions. A kernel takes what it needs: a shape, the whole mask, or a
plan of blocks with the mask of one block at a time. Knows no kernel.
"""

from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from trivium.model.attention.pattern import KeyRange, Pattern, Shape, Where
from trivium.model.layer.position import RelativePosition, Rotation, told

ALL = slice(None)
FAR = 2**40
"""Larger than every position and document number."""


class KeyTile(NamedTuple):
    """Neighbouring keys that a block of queries can see; `whole` if every query sees every one of them."""

    keys: slice
    whole: bool


class QueryBlock(NamedTuple):
    """A block of queries in some rows of the batch, with the keys it can see."""

    rows: slice
    queries: slice
    tiles: list[KeyTile]


class View:
    """Which keys each query sees, what is added to the scores, and the rotation of queries and keys.

    `plain` promises one whole document in each row, with the queries as its last T positions: a kernel may use the
    shape of the pattern and needs no mask. Where all rows are `alike`, everything here has B = 1.
    """

    def __init__(
        self, pattern: Pattern, q: Where, k: Where, plain: bool = False, relative: RelativePosition | None = None
    ) -> None:
        self.pattern, self.plain, self.relative = pattern, plain, relative or RelativePosition()
        self.itself = q is k
        """Whether the tokens attend to each other only, not to an encoder or a past."""
        self.alike = plain and q.prefix is None and k.prefix is None and (q.places is None or not self.relative.plane)
        one = self.alike and len(q.position) > 1
        self.q, self.k = (q.map(lambda x: x[:1]), k.map(lambda x: x[:1])) if one else (q, k)
        self.parts: list[tuple[slice, View]] = []
        """The queries and the View of each part that is computed alone (see `crowd`)."""
        self.made: dict[Any, Any] = {}
        """Results that are made once and used by every layer: plans, scores and what kernels keep."""

    @cached_property
    def shape(self) -> Shape | None:
        """`full` or `causal` where no mask is needed, else None."""
        if not self.plain or self.biased:
            return None
        queries, keys = self.q.position.shape[1], self.k.position.shape[1]
        shape = self.pattern.shape(keys)
        if shape == "causal" and queries != keys:
            return "full" if queries == 1 else None  # the last position sees every key
        return shape

    @property
    def sure(self) -> bool:
        """Whether every query sees a key, as in whole documents under a pattern that has a shape."""
        return self.plain and self.pattern.shape(self.k.position.shape[1]) is not None

    @cached_property
    def rotation(self) -> Rotation | None:
        """The rotation of queries and keys."""
        return self.relative.rotation(told(self.relative, self.q.position, self.q.places))

    @property
    def biased(self) -> bool:
        """Whether something besides the mask is added to the scores."""
        return type(self.relative).bias is not RelativePosition.bias

    def allow(self, rows: slice = ALL, queries: slice = ALL, keys: slice = ALL) -> Bool[Tensor, "B 1 T S"]:
        """Return True where the query may attend to the key: same document, no padding, and the pattern allows it."""
        q = self.q.map(lambda x: x[rows, None, queries, None])
        k = self.k.map(lambda x: x[rows, None, None, keys])
        return (q.document == k.document) & (k.document > 0) & self.pattern.allow(q, k)

    def bias(self, rows: slice = ALL, queries: slice = ALL, keys: slice = ALL) -> Float[Tensor, "B H T S"] | None:
        """Return what is added to the scores of some pairs."""
        return self.relative.bias(self.q.position[rows, queries], self.k.position[rows, keys])

    @cached_property
    def mask(self) -> Bool[Tensor, "B 1 T S"]:
        """`allow` of all pairs."""
        return self.allow()

    @cached_property
    def empty(self) -> Bool[Tensor, "B 1 T 1"]:
        """True for queries that see no key (padding): their output is zero in every kernel."""
        return ~self.mask.any(dim=-1, keepdim=True)

    def scores(self, dtype: torch.dtype) -> Float[Tensor, "B H T S"]:
        """Return mask and bias as one number to add to each score.

        A pair that is not allowed gets a large finite number; with -inf a row without keys would become NaN.
        """
        if (made := self.made.get(dtype)) is None:
            bias = self.bias()
            seen = torch.zeros((), dtype=dtype, device=self.mask.device) if bias is None else bias.to(dtype)
            made = self.made[dtype] = torch.where(self.mask, seen, torch.finfo(dtype).min / 2)
        return made

    def spread(self, dtype: torch.dtype, size: tuple[int, int]) -> Float[Tensor, "B*H T S"]:
        """Return `scores` for each of B x H heads, made once."""
        if (made := self.made.get((dtype, size))) is None:
            made = self.made[dtype, size] = self.scores(dtype).expand(*size, -1, -1).flatten(0, 1)
        return made

    def states(self, block: int) -> Int[Tensor, "B T/block S/block"]:
        """Return for blocks of queries and keys which pairs are allowed: 0 none, 1 perhaps some, 2 all.

        It compares only the bounds of blocks, never n x n pairs.
        """
        q, k = _bounds(self.q, block, 2), _bounds(self.k, block, 1)
        some = (q.document.low <= k.document.high) & (k.document.low <= q.document.high)
        some = some & self.pattern.reach(q.position, k.position)
        whole = q.whole & k.whole & self.pattern.cover(q.position, k.position)
        return some.int() + (some & whole).int()

    def share(self, block: int) -> float:
        """Return the share of the row that remains where blocks are skipped: 1 is all."""
        if (share := self.made.get(("share", block))) is None:  # asked for by every layer of the pass
            share = self.made["share", block] = float((self.states(block) > 0).double().mean())
        return share

    def plan(self, block: int, widest: int) -> list[QueryBlock]:
        """Return the keys of each `block` of queries in tiles of at most `widest` keys.

        Rows that are not alike have their own blocks; a block without keys is left out.
        """
        if (plan := self.made.get((block, widest))) is None:
            queries, keys = self.q.position.shape[1], self.k.position.shape[1]
            plan = self.made[block, widest] = [
                QueryBlock(ALL if self.alike else slice(row, row + 1), slice(at, min(at + block, queries)), tiles)
                for row, lines in enumerate(self.states(block).tolist())
                for at, line in zip(range(0, queries, block), lines, strict=True)
                if (tiles := _tiles(line, block, widest, keys))
            ]
        return plan


class BlockBounds(NamedTuple):
    """The bounds of blocks (padding left out), and whether each is one document without padding."""

    position: KeyRange
    document: KeyRange
    whole: Tensor


def _bounds(where: Where, block: int, axis: int) -> BlockBounds:
    """Return the bounds of the blocks of a stream, with an axis of one at `axis` to compare them with others."""
    valid = where.document > 0

    def fold(x: Tensor, fill: int) -> Tensor:
        pad = -x.shape[1] % block
        return F.pad(x, (0, pad), value=fill).unflatten(1, (-1, block)).unsqueeze(axis)

    def span(x: Tensor) -> KeyRange:
        low, high = x.masked_fill(~valid, FAR), x.masked_fill(~valid, -1)
        return KeyRange(fold(low, FAR).amin(-1), fold(high, -1).amax(-1))

    position, document = span(where.position), span(where.document)
    if where.prefix is not None:
        position = position._replace(prefix=fold(where.prefix & valid, False).any(-1))
    return BlockBounds(position, document, fold(valid, True).all(-1) & (document.low == document.high))


def _tiles(line: list[int], block: int, widest: int, end: int) -> list[KeyTile]:
    """Return a line of block states (see `states`) as tiles: neighbouring blocks of one state are joined."""
    tiles = []
    for state, run in groupby(range(len(line)), key=line.__getitem__):
        first, *_, last = [*run] * 2
        start, stop = first * block, min((last + 1) * block, end)
        if state:
            tiles += [KeyTile(slice(at, min(at + widest, stop)), state == 2) for at in range(start, stop, widest)]
    return tiles
