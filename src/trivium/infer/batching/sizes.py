"""The sizes of passes in which a row has the same bits: what the exact mode of the engine may compute at once.

A matrix product may add in another order where it has another number of rows, and the numbers at the end of a list are
computed in another way than those that fill a vector of the processor. Which sizes are alike depends on the machine
and its libraries: it is tried.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from math import gcd
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.infer.weights import PackedLinear
from trivium.model.transformer import Transformer

BASE, MOST = 32, 256
"""The size that all others are compared with, and the largest that is tried. Lists of 32 numbers fill vectors."""


class PassSizes(NamedTuple):
    """From `least` to `most` rows, in multiples of `step`."""

    least: int = 1
    most: int = 1 << 40
    step: int = 1

    def rest(self, count: int) -> int:
        """Return how many rows are to be added to `count`."""
        return max(self.least, -(-count // self.step) * self.step) - count

    def groups(self, counts: Sequence[int]) -> Iterator[list[tuple[int, int]]]:
        """Yield parts of these counts as groups (index, count) of at most `most`; a part may be in several groups."""
        group: list[tuple[int, int]] = []
        room = self.most
        for at, count in enumerate(counts):
            while count:
                some = min(count, room)
                group.append((at, some))
                count, room = count - some, room - some
                if not room:
                    yield group
                    group, room = [], self.most
        if group:
            yield group

    def apply(self, product: Callable[[Tensor], Tensor], x: Float[Tensor, "N D"]) -> Float[Tensor, "N V"]:
        """Return the product of rows, computed in these sizes."""
        blocks = x.split(min(self.most, len(x)))
        made = [product(F.pad(some, (0, 0, 0, self.rest(len(some)))))[: len(some)] for some in blocks]
        return made[0] if len(made) == 1 else torch.cat(made)


@torch.inference_mode()
def alike(transformer: Transformer) -> PassSizes:
    """Return the sizes in which every product of a decoder gives a row the same bits on this machine."""
    products: dict[tuple[int, int], Callable[[Tensor], Tensor]] = {}
    widths = [transformer.config.vocab_size if getattr(transformer.head, "softcap", None) else BASE]
    for part in transformer.decoder.modules():
        if isinstance(part, (nn.Linear, PackedLinear)):
            products.setdefault((part.out_features, part.in_features), part)
            widths += [part.out_features, part.in_features]
        if isinstance(frequency := getattr(part, "frequency", None), Tensor):
            widths.append(len(frequency))
    products[0, transformer.config.hidden_size] = transformer.logits
    step = BASE // gcd(BASE, *widths)
    whole = {key: product(_rows(key[1], BASE)) for key, product in products.items()}
    good = {
        size
        for size in (2**n for n in range(MOST.bit_length()))
        if size % step == 0
        and all(
            torch.equal(product(_rows(key[1], size))[:BASE], whole[key][:size]) for key, product in products.items()
        )
    }
    least = min(takewhile(good.__contains__, (BASE >> n for n in range(BASE.bit_length()))), default=BASE)
    most = max(takewhile(good.__contains__, (BASE << n for n in range(MOST.bit_length()))), default=BASE)
    return PassSizes(least, most, step)


def _rows(width: int, count: int) -> Tensor:
    """Return the first rows [count, width] of a table of random numbers."""
    return torch.randn(MOST, width, generator=torch.Generator().manual_seed(width))[:count]
