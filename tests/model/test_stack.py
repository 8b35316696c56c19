"""A stack: kinds tiled over layers, numbers derived, views shared."""

import pytest
import torch
from pydantic import ValidationError

import tiny
from trivium.base.config import parse
from trivium.base.errors import ConfigError
from trivium.model import stack as module
from trivium.model.attention.pattern import Causal, Full, Where, Window
from trivium.model.attention.view import View
from trivium.model.layer.position import RoPE
from trivium.model.stack import StackConfig

TILED = {
    "layers": 5,
    "pattern": [{"kind": "window", "size": 3}, "causal"],
    "position": [{"kind": "rope", "theta": 100.0}, {"kind": "rope", "theta": 10.0}, {"kind": "rope", "theta": 10.0}],
}


def test_patterns_and_positions_are_tiled_over_the_layers() -> None:
    config = StackConfig(heads=2, **TILED)
    assert [type(config.kind(layer)[0]) for layer in range(5)] == [Window, Causal, Window, Causal, Window]
    assert [config.kind(layer)[1].theta for layer in range(5)] == [100.0, 10.0, 10.0, 100.0, 10.0]
    assert isinstance(config.kind(0)[1], RoPE)


def test_patterns_may_be_spelled_in_letters() -> None:
    spelled = parse(StackConfig, {"layers": 8, "heads": 2, "pattern": "SSSL"})
    assert spelled.pattern == (Window(), Window(), Window(), Causal())
    assert parse(StackConfig, {"layers": 1, "heads": 2, "pattern": "L"}).pattern == (Causal(),)
    with pytest.raises(ConfigError, match="pattern"):
        parse(StackConfig, {"layers": 1, "heads": 2, "pattern": "SSX"})


def test_layers_of_one_kind_share_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counted(module.View):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(module, "View", Counted)
    alike, mixed = tiny.model("llama", layers=5), tiny.model("llama", **TILED)
    batch = tiny.loader(tiny.example_rows([tiny.example(5, 9)])).step(0)[0]
    from trivium.model.device import place

    for model, views in ((alike, 1), (mixed, 5)):
        made.clear()
        model(place(batch))
        assert len(made) == views


def test_numbers_are_derived_where_none_is_given() -> None:
    plain = StackConfig(layers=1, heads=4).attention(32)
    assert (plain.head_size, plain.kv_heads, plain.scale, plain.output_bias) == (8, 4, 8**-0.5, True)
    given = StackConfig(layers=1, heads=4, kv_heads=1, head_size=5, score_scale=1.0, bias=False, output_bias=True)
    given = given.attention(32)
    assert (given.head_size, given.kv_heads, given.scale, given.bias, given.output_bias) == (5, 1, 1.0, False, True)


@pytest.mark.parametrize("field", ["softcap", "layers", "heads", "kv_heads", "head_size"])
def test_what_cannot_be_is_refused(field: str) -> None:
    with pytest.raises(ValidationError):
        StackConfig(**{"layers": 1, "heads": 1, field: 0})


def test_a_cache_keeps_what_each_layer_needs() -> None:
    model = tiny.model("llama", **TILED)
    assert model.decoder.cache(64).layers == {2: [0, 2, 4], None: [1, 3]}


def test_cross_attention_has_no_query_norm() -> None:
    model = tiny.model("t5", qk_norm="rms")
    assert isinstance(model.decoder.blocks[0].cross.q_norm, torch.nn.Identity)
    assert not isinstance(model.decoder.blocks[0].attention.q_norm, torch.nn.Identity)


X = torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(0))
MEMORY = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(1))


def where(length: int) -> Where:
    return Where(torch.arange(length)[None], torch.ones(1, length, dtype=torch.long))


def test_sublayers_come_in_order_attention_memory_feed_forward() -> None:
    block = tiny.model("t5").eval().decoder.blocks[0]
    view, across = View(Causal(), where(4), where(4)), View(Full(), where(4), where(6))
    x, (n0, n1, n2) = X, block.residual.norms
    x = x + block.attention(n0(x), view)
    x = x + block.cross.read(n1(x), across, MEMORY)
    x = x + block.ffn(n2(x))
    assert torch.allclose(block(X, view, MEMORY, across), x, atol=1e-5)


def test_without_a_memory_there_is_no_cross_attention() -> None:
    assert tiny.model("llama").decoder.blocks[0].cross is None
    assert tiny.model("t5").encoder.blocks[0].cross is None


def test_a_block_with_cross_attention_needs_a_memory() -> None:
    block = tiny.model("t5").decoder.blocks[0]
    with pytest.raises(AssertionError, match="needs a memory"):
        block(X, View(Causal(), where(4), where(4)))
