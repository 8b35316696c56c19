"""A layer: its sublayers in order, joined by the residual stream."""

import pytest
import torch

import tiny
from trivium.model.attention.pattern import Causal, Full, Where
from trivium.model.attention.view import View

X = torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(0))
MEMORY = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(1))


def where(length: int) -> Where:
    return Where(torch.arange(length)[None], torch.ones(1, length, dtype=torch.long))


def test_sublayers_come_in_order_attention_memory_feed_forward() -> None:
    block = tiny.model("t5").eval().decoder.blocks[0]
    view, across = View(Causal(), where(4), where(4)), View(Full(), where(4), where(6))
    x, (n0, n1, n2) = X, block.residual.norms
    x = x + block.attention(n0(x), view)
    x = x + block.cross(n1(x), across, MEMORY)
    x = x + block.ffn(n2(x))
    assert torch.allclose(block(X, view, MEMORY, across), x, atol=1e-5)


def test_without_a_memory_there_is_no_cross_attention() -> None:
    assert tiny.model("llama").decoder.blocks[0].cross is None
    assert tiny.model("t5").encoder.blocks[0].cross is None


def test_a_block_with_cross_attention_needs_a_memory() -> None:
    block = tiny.model("t5").decoder.blocks[0]
    with pytest.raises(AssertionError, match="needs a memory"):
        block(X, View(Causal(), where(4), where(4)))
