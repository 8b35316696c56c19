"""A crowd: rows that are read in one pass, each with a slot of its own.

The pass is one row of tokens, and each row of the crowd is a neighbouring part of it. So matrix products take all rows
together. Attention takes a run at once: rows that are neighbours in their home and read equally many tokens.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from trivium.model.attention.cache import Pairs, counting
from trivium.model.attention.kernel import Kernel
from trivium.model.attention.pattern import Full, Pattern, Where
from trivium.model.attention.slots import Slot
from trivium.model.attention.view import View
from trivium.model.layer.position import RelativePosition


class SlotRun:
    """Neighbouring slots that read `count` tokens each; those of the first are at `start` of the pass."""

    def __init__(self, slots: list[Slot], count: int, start: int) -> None:
        self.slots, self.count, self.home = slots, count, slots[0].home
        self.rows = slice(slots[0].index, slots[0].index + len(slots))
        self.tokens = slice(start, start + count * len(slots))

    def extend(self, where: Where, block: int) -> None:
        """Store the new tokens' places. Keys are looked at in whole blocks of `block`."""
        for slot in self.slots:
            slot.seen += self.count
        self.block, self.device = block, where.position.device
        self.q = where.map(lambda x: x[0, self.tokens].view(len(self.slots), self.count))
        seen = [slot.seen for slot in self.slots]
        self.least, self.most = min(seen), min(-(-max(seen) // block) * block, self.home.capacity)
        self.plain = self.least == self.most

    @cached_property
    def seen(self) -> Tensor:
        """How many keys each row has [R, 1]."""
        return torch.tensor([[slot.seen] for slot in self.slots], device=self.device)

    @cached_property
    def places(self) -> tuple[Tensor, Tensor]:
        """The slot and the position of each new token [N]."""
        at = torch.arange(self.rows.start, self.rows.stop, device=self.device).repeat_interleave(self.count)
        return at, self.q.position.flatten()

    def span(self, keep: int | None) -> slice:
        """Return the keys that a layer with this window can see."""
        first = 0 if keep is None else max(self.least - self.count - keep, 0)
        return slice(first // self.block * self.block, self.most)

    def view(self, pattern: Pattern, relative: RelativePosition) -> View:
        """Return the View of the new tokens to all that a row has."""
        span = self.span(pattern.keep)
        position, document = (x[:, span] for x in counting(self.device, self.home.capacity))
        prefix = None
        if self.q.prefix is not None:
            prefix = position < torch.tensor([[slot.prefix] for slot in self.slots], device=self.device)
        if not self.plain:
            document = (position < self.seen).long()
        k = Where(position, document, prefix).map(lambda x: x.expand(len(self.slots), -1))
        return View(pattern, self.q, k, self.plain, relative)

    def across(self) -> View:
        """Return the View of the new tokens to the memories."""
        sizes = torch.tensor([[slot.source] for slot in self.slots], device=self.device)
        position, _ = counting(self.device, self.home.memory)
        k = Where(position.expand(len(self.slots), -1), (position < sizes).long())
        return View(Full(), self.q._replace(prefix=None), k)

    def write(self, k: Tensor, v: Tensor, layer: int) -> None:
        """Store keys and values [1, K, N, E] of the pass."""
        for new, kept in zip((k, v), self.home.buffers[2 * layer :], strict=False):
            if len(self.slots) == 1:
                kept[self.rows.start, :, self.slots[0].seen - self.count : self.slots[0].seen] = new[0, :, self.tokens]
            else:
                at, place = self.places
                kept[at, :, place] = new[0, :, self.tokens].transpose(0, 1)


class Crowd:
    """The slots of the rows of a pass, and how many new tokens each row has, in order."""

    def __init__(self, slots: Sequence[Slot], counts: Sequence[int], keeps: dict[int, int | None], block: int = 1):
        """`keeps` is the window of each layer. Keys are looked at in whole blocks of `block`."""
        self.keeps, self.block, start = keeps, block, 0
        self.runs: list[SlotRun] = []
        joined: list[Slot] = []
        for at, (slot, count) in enumerate(zip(slots, counts, strict=True)):
            joined.append(slot)
            after = slots[at + 1] if at + 1 < len(slots) and counts[at + 1] == count else None
            if after is None or after.home is not slot.home or after.index != slot.index + 1:
                self.runs.append(SlotRun(joined, count, start))
                start, joined = self.runs[-1].tokens.stop, []

    def extend(self, where: Where, plain: bool) -> None:
        """Store the places of new tokens."""
        self.where = where
        for run in self.runs:
            run.extend(where, self.block)

    def view(self, pattern: Pattern, relative: RelativePosition) -> View:
        """Return the View of the pass, with a part for each run."""
        return self._joined(pattern, [run.view(pattern, relative) for run in self.runs], relative)

    def across(self) -> View | None:
        """Return the View of the pass to the memories of the rows, where they have one."""
        return self._joined(Full(), [run.across() for run in self.runs]) if self.runs[0].home.memory else None

    def _joined(self, pattern: Pattern, views: list[View], relative: RelativePosition | None = None) -> View:
        view = View(pattern, self.where, self.where, relative=relative)
        view.parts = [(run.tokens, part) for run, part in zip(self.runs, views, strict=True)]
        return view

    def append(self, layer: int, k: Tensor, v: Tensor) -> Pairs:
        """Store new keys and values [1, K, N, E] of a layer; return all kept ones of each run [R, K, S, E]."""
        pairs = []
        for run in self.runs:
            run.write(k, v, layer)
            span, (keys, values) = run.span(self.keeps[layer]), run.home.buffers[2 * layer : 2 * layer + 2]
            pairs.append((keys[run.rows, :, span], values[run.rows, :, span]))
        return pairs

    def cross(self, layer: int, make: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Pairs:
        """Return the keys and values of the memories of each run for a layer."""
        made = [(run.rows, run.home.cross(layer, make)) for run in self.runs]
        return [(keys[rows], values[rows]) for rows, (keys, values) in made]


def mixed(kernel: Kernel, q: Tensor, pairs: Pairs, view: View, *options: Any) -> Float[Tensor, "B T D"]:
    """Return what a kernel makes of queries [B, H, T, E] and a View, part by part where it has parts."""
    if not view.parts:
        return kernel.attend(q, *pairs[0], view, *options).transpose(1, 2).flatten(2)
    outs = []
    for (k, v), (tokens, part) in zip(pairs, view.parts, strict=True):
        run = q[0, :, tokens].unflatten(1, (len(k), -1)).transpose(0, 1)  # R H T E
        outs.append(kernel.attend(run, k, v, part, *options).transpose(1, 2).flatten(0, 1).flatten(1))  # RT D
    out = torch.cat(outs) if len(outs) > 1 else outs[0]
    rest = q.shape[2] - len(out)  # what fills the pass up is no row's
    return (F.pad(out, (0, 0, 0, rest)) if rest else out)[None]
