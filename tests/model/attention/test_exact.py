"""The exact kernel: the bits of a query do not depend on the other queries of the pass. Values: test_kernel."""

import pytest
import torch

from places import alone
from trivium.model.attention.exact import KEYS, QUERIES, Exact
from trivium.model.attention.kernel import SDPA, Kernel
from trivium.model.attention.pattern import Causal, Pattern, Where, Window
from trivium.model.attention.view import View

LENGTH = KEYS + 37


def attend(
    kernel: Kernel, tensors: list[torch.Tensor], pattern: Pattern, queries: slice, first: int = 0
) -> torch.Tensor:
    """Attention of some queries to all keys up to the last of them, from the key `first` on."""
    q, k, v = tensors
    where = alone(LENGTH)
    keys = where.map(lambda x: x[:, first : queries.stop])
    view = View(pattern, where.map(lambda x: x[:, queries]), Where(*keys), plain=True)
    seen = slice(first, queries.stop)
    return kernel.attend(q[:, :, queries], k[:, :, seen], v[:, :, seen], view, 0.3)


@pytest.mark.parametrize("kernel", [Exact(), SDPA()], ids=["exact", "sdpa"])
@pytest.mark.parametrize("pattern", [Causal(), Window(size=40)], ids=["causal", "window"])
def test_a_query_has_the_same_bits_in_every_piece(kernel: Kernel, pattern: Pattern) -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(1, heads, LENGTH, 8) for heads in (6, 2, 2)]
    whole = attend(kernel, tensors, pattern, slice(0, LENGTH))
    pieces, at = [], 0
    for count in [1, 5, QUERIES, 40, *[1] * 30, LENGTH]:
        stop = min(at + count, LENGTH)
        first = max(at - 45, 0) if isinstance(pattern, Window) else 0
        pieces.append(attend(kernel, tensors, pattern, slice(at, stop), first))
        at = stop
    joined = torch.cat(pieces, dim=2)
    assert torch.allclose(joined, whole, atol=1e-5)
    assert torch.equal(joined, whole) == isinstance(kernel, Exact), "sdpa shows that the test can tell"
