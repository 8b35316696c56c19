"""The attention sublayer: grouped heads, cross-attention and its cache, against PyTorch's own module."""

import pytest
import torch

from places import alone
from trivium.model.attention.attention import Attention, AttentionConfig
from trivium.model.attention.cache import KVCache, Memory
from trivium.model.attention.pattern import Causal, Full
from trivium.model.attention.view import View
from trivium.model.layer.norm import NoNorm, RMSNorm
from trivium.model.layer.position import RoPE

WIDTH = 24


def build(kv_heads: int = 4, **changes: object) -> Attention:
    torch.manual_seed(0)
    fields = {
        "hidden_size": WIDTH,
        "heads": 4,
        "kv_heads": kv_heads,
        "head_size": 6,
        "bias": True,
        "output_bias": True,
        "scale": 6**-0.5,
        "norm": NoNorm(),
        "softcap": None,
        "dropout": 0.0,
    }
    return Attention(AttentionConfig(**{**fields, **changes}), layer=0)


def copy_of(ours: Attention) -> torch.nn.MultiheadAttention:
    """PyTorch's module with our weights, key heads repeated for the query heads that share them."""
    theirs = torch.nn.MultiheadAttention(WIDTH, 4, batch_first=True)

    def repeated(x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(0, (-1, 6)).repeat_interleave(4 // ours.config.kv_heads, dim=0).flatten(0, 1)

    parts = [ours.q, ours.k, ours.v]
    theirs.in_proj_weight.data = torch.cat([repeated(x.weight) if x is not ours.q else x.weight for x in parts]).data
    theirs.in_proj_bias.data = torch.cat([repeated(x.bias) if x is not ours.q else x.bias for x in parts]).data
    theirs.out_proj.weight.data, theirs.out_proj.bias.data = ours.o.weight.data, ours.o.bias.data
    return theirs


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_it_is_multi_head_attention(kv_heads: int) -> None:
    ours, x, memory = build(kv_heads), torch.randn(2, 7, WIDTH), torch.randn(2, 5, WIDTH)
    theirs = copy_of(ours)
    here, there = alone(7, rows=2), alone(5, rows=2)
    hidden = torch.ones(7, 7).triu(1).bool()
    assert torch.allclose(ours(x, View(Full(), here, here)), theirs(x, x, x)[0], atol=1e-5)
    causal = theirs(x, x, x, attn_mask=hidden)[0]
    assert torch.allclose(ours(x, View(Causal(), here, here, plain=True)), causal, atol=1e-5)
    across = theirs(x, memory, memory)[0]
    assert torch.allclose(ours.read(x, View(Full(), here, there), memory), across, atol=1e-5)


def test_a_memory_is_projected_once() -> None:
    ours, x, states = build(), torch.randn(1, 3, WIDTH), torch.randn(1, 5, WIDTH)
    memory = Memory(states.clone(), alone(5))
    view, cache = View(Full(), alone(3), alone(5)), KVCache(torch.empty(1, 4, 0, 6), 8, [None], memory)
    first = ours.read(x, view, None, cache)
    assert torch.equal(first, ours.read(x, view, states))
    memory.states.zero_()
    assert torch.equal(ours.read(x, view, None, cache), first), "what was kept is used"


def test_norm_of_queries_and_keys_takes_their_size_away() -> None:
    ours, x, here = build(norm=RMSNorm(), bias=False), torch.randn(1, 6, WIDTH), alone(6)
    before = ours(x, View(Full(), here, here))
    with torch.no_grad():
        ours.q.weight *= 7
        ours.k.weight *= 3
    assert torch.allclose(ours(x, View(Full(), here, here)), before, atol=1e-4)


def test_a_shift_of_the_whole_sequence_changes_nothing_under_rope() -> None:
    """Scores depend on distance alone, through the whole sublayer."""
    ours, x, relative = build(), torch.randn(1, 9, WIDTH), RoPE().relative(4, 6)
    near, far = alone(9), alone(9, start=1000)
    first, second = (ours(x, View(Causal(), where, where, True, relative)) for where in (near, far))
    still = ours(x, View(Causal(), near, near, True))
    assert torch.allclose(first, second, atol=1e-4) and not torch.allclose(first, still, atol=1e-3)


def test_dropout_is_for_training() -> None:
    ours, x, here = build(dropout=0.5), torch.randn(1, 6, WIDTH), alone(6)
    view = View(Full(), here, here, plain=True)
    assert not torch.equal(ours(x, view), ours(x, view))
    ours.eval()
    assert torch.equal(ours(x, view), ours(x, view))
