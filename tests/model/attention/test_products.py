"""Scores in one product with their mask: gradients by finite differences, values of the plain form."""

import pytest
import torch

from places import alone, packed
from trivium.model.attention.kernel import Case, Eager
from trivium.model.attention.pattern import Causal, Full, Pattern
from trivium.model.attention.products import Products, _Scores
from trivium.model.attention.view import View
from trivium.model.layer.position import Bucket


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_scores_are_those_of_finite_differences(masked: bool) -> None:
    q, k, mask = (torch.randn(2, *size, dtype=torch.float64, requires_grad=True) for size in ((3, 4), (5, 4), (3, 5)))
    assert torch.autograd.gradcheck(_Scores.apply, (q, k, mask if masked else None, 0.3))
    assert torch.allclose(_Scores.apply(q, k, mask, 0.3), 0.3 * q @ k.mT + mask)


@pytest.mark.parametrize("pattern", [Full(), Causal()])
@pytest.mark.parametrize("plain", [False, True])
def test_weights_in_bfloat16_are_those_of_eager(pattern: Pattern, plain: bool) -> None:
    """Shared heads and a trained bias take part; only the rounding of scores differs."""
    where = alone(7, 2) if plain else packed([[3, 4], [5]], 7)
    view = View(pattern, where, where, plain, Bucket(num_buckets=8, max_distance=12).relative(4, 8))
    q, k = torch.randn(2, 4, 7, 8).bfloat16(), torch.randn(2, 2, 7, 8).bfloat16()
    made, wanted = (kernel.weights(q, k, 0.3, Case(view)) for kernel in (Products(), Eager()))
    seen = view.mask & ~view.empty
    assert torch.allclose((made * seen).float(), wanted * seen, atol=2e-2)


def test_rows_of_whole_documents_have_no_empty_query_and_padding_has() -> None:
    where = alone(4)
    assert View(Causal(), where, where, True).sure and not View(Causal(), where, where).sure
