"""The exact kernel: the bits of a query do not depend on the other queries of the pass. Values: test_kernel."""

import pytest
import torch

from places import alone
from trivium.model.attention.exact import KEYS, QUERIES, Exact, fewest
from trivium.model.attention.kernel import SDPA, Kernel
from trivium.model.attention.pattern import Causal, Pattern, Where, Window
from trivium.model.attention.view import View

LENGTH = 2 * KEYS + 37


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
        first = max(at - 45, 0) // KEYS * KEYS if isinstance(pattern, Window) else 0
        pieces.append(attend(kernel, tensors, pattern, slice(at, stop), first))
        at = stop
    joined = torch.cat(pieces, dim=2)
    assert torch.allclose(joined, whole, atol=1e-5)
    assert torch.equal(joined, whole) == isinstance(kernel, Exact), "sdpa shows that the test can tell"


@pytest.mark.parametrize("width", [8, 64, 128])
def test_products_of_a_few_queries_have_the_bits_of_products_of_many(width: int) -> None:
    draw = torch.Generator().manual_seed(3)
    least = fewest(width)
    for shape, other in (((QUERIES, width), (width, KEYS)), ((QUERIES, KEYS), (KEYS, width))):
        many, matrix = torch.randn(5, *shape, generator=draw), torch.randn(5, *other, generator=draw)
        for rows in range(least, QUERIES + 1):
            assert torch.equal(many[:, :rows] @ matrix, (many @ matrix)[:, :rows])
            assert torch.equal(many[1:2, :rows] @ matrix[1:2], (many @ matrix)[1:2, :rows])


def test_rows_of_other_lengths_change_no_bit() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 4, 1, 8), torch.randn(3, 2, LENGTH, 8), torch.randn(3, 2, LENGTH, 8)
    seen = torch.tensor([[7], [200], [LENGTH]])
    place = torch.arange(LENGTH).expand(3, -1)
    view = View(Causal(), Where(seen - 1, torch.ones_like(seen)), Where(place, (place < seen).long()))
    together = Exact().attend(q, k, v, view, 0.3)
    for row, count in enumerate(seen.flatten().tolist()):
        where = alone(count)
        single = View(Causal(), where.map(lambda x: x[:, -1:]), where, plain=True)
        found = Exact().attend(q[row, None], k[row, None, :, :count], v[row, None, :, :count], single, 0.3)
        assert torch.equal(found[0], together[row])
