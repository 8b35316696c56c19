"""Sizes of passes: every size between the least and the most gives the same bits, and parts become groups."""

from collections.abc import Callable

import pytest
import torch

import trivium
from trivium.infer.batching.sizes import PassSizes, alike
from trivium.infer.weights import packed
from trivium.model.transformer import Transformer


def test_parts_become_groups_of_at_most_the_largest_size() -> None:
    sizes = PassSizes(2, 8, 4)
    assert list(sizes.groups([1, 6, 9])) == [[(0, 1), (1, 6), (2, 1)], [(2, 8)]]
    assert [sizes.rest(count) for count in (1, 4, 5, 8)] == [3, 0, 3, 0]
    assert list(PassSizes().groups([300, 1])) == [[(0, 300), (1, 1)]] and PassSizes().rest(1) == 0


@pytest.mark.parametrize("changes", [{}, {"hidden_size": 48, "ffn": {"kind": "swiglu", "size": 100}}])
@pytest.mark.parametrize("order", [packed, lambda model: model], ids=["packed", "plain"])
@torch.inference_mode()
def test_a_row_has_the_same_bits_in_every_size(
    changes: dict[str, object], order: Callable[[Transformer], Transformer]
) -> None:
    torch.manual_seed(0)
    model = order(trivium.build("llama", layers=1, hidden_size=64, heads=4, context=64, vocab_size=131).transformer)
    if changes:
        model = order(trivium.build("llama", layers=1, heads=4, context=64, vocab_size=131, **changes).transformer)
    sizes, block = alike(model), model.decoder.blocks[0]
    assert 1 <= sizes.least <= sizes.most <= 256
    x = torch.randn(sizes.most, model.config.hidden_size)
    whole, logits = block.ffn(x), sizes.apply(model.logits, x)
    for count in {*range(sizes.step, 65), 100, 255, 256}:
        if count <= sizes.most:
            filled = torch.nn.functional.pad(x[:count], (0, 0, 0, sizes.rest(count)))
            assert torch.equal(block.ffn(filled)[:count], whole[:count])
            assert torch.equal(sizes.apply(model.logits, x[:count]), logits[:count])
