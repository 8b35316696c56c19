"""What is added to a token's vector on its way into a stack."""

import math

import torch

from trivium.model.layer.embed import Tokens
from trivium.model.layer.norm import LayerNorm
from trivium.model.layer.position import Learned, NoPosition

TOKENS = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
POSITIONS = torch.arange(3).expand(2, 3)


def test_by_default_tokens_pass_as_they_are() -> None:
    assert torch.equal(Tokens().build(8, 16, NoPosition(), 0.0)(TOKENS, POSITIONS), TOKENS)


def test_the_scale_is_the_root_of_the_width_rounded_to_the_dtype() -> None:
    module = Tokens(scale=True).build(8, 16, NoPosition(), 0.0)
    assert torch.equal(module(TOKENS, POSITIONS), TOKENS * math.sqrt(8))
    rounded = torch.tensor(math.sqrt(8)).bfloat16()
    assert torch.equal(module(TOKENS.bfloat16(), POSITIONS), TOKENS.bfloat16() * rounded)


def test_types_default_to_the_first_and_positions_are_added() -> None:
    module = Tokens(types=2).build(8, 16, Learned(offset=2), 0.0)
    types = torch.tensor([[0, 0, 1], [1, 0, 1]])
    expected = TOKENS + module.types.weight[types] + module.position.weight[POSITIONS + 2]
    assert torch.allclose(module(TOKENS, POSITIONS, types), expected)
    assert torch.equal(module(TOKENS, POSITIONS), module(TOKENS, POSITIONS, types * 0))
    assert module.position.weight.shape == (18, 8)


def test_the_sum_is_normalised() -> None:
    module = Tokens(types=1, norm=LayerNorm()).build(8, 16, Learned(), 0.0)
    out = module(TOKENS, POSITIONS)
    assert torch.allclose(out.mean(-1), torch.zeros(2, 3), atol=1e-5)
