"""Feed-forward sublayers against their definitions, and every kind against what all must do."""

import pytest
import torch
from torch.nn import functional as F

from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError
from trivium.model.layer.ffn import ACTIVATIONS, FFN, GLU, MLP
from trivium.model.stack import StackConfig

KINDS = [kind for kind in FFN.kinds.values() if kind.__module__.startswith("trivium.")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_kind_with_every_activation(kind: type[FFN], activation: str) -> None:
    config = kind(activation=activation, size=10)
    module, x = config.build(6), torch.randn(2, 3, 6, requires_grad=True)
    assert config.width(6) == 10 and module(x).shape == (2, 3, 6)
    module(x).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_biases_are_there_if_asked_for(kind: type[FFN]) -> None:
    for bias in (True, False):
        names = [name for name, _ in kind(bias=bias).build(8).named_parameters()]
        assert any(name.endswith("bias") for name in names) == bias


def test_mlp_and_glu_are_their_formulas() -> None:
    x = torch.randn(5, 6)
    mlp, glu = MLP(activation="relu2", size=7).build(6), GLU(activation="silu", size=7).build(6)
    assert torch.allclose(mlp(x), mlp.down(F.relu(mlp.up(x)) ** 2))
    assert torch.allclose(glu(x), glu.down(F.silu(glu.gate(x)) * glu.up(x)))


def test_a_gated_unit_costs_what_a_plain_one_costs() -> None:
    for width in (256, 768, 1024):
        plain, gated = (sum(p.numel() for p in c.build(width).parameters()) for c in (MLP(bias=False), GLU()))
        assert gated == pytest.approx(plain, rel=0.1) and GLU().width(width) % 64 == 0


def test_gelu_comes_exact_and_as_tanh() -> None:
    x = torch.linspace(-3, 3, 50)
    exact = x * 0.5 * (1 + torch.erf(x / 2**0.5))
    assert torch.allclose(ACTIVATIONS["gelu"](x), exact, atol=1e-6)
    assert 1e-5 < (ACTIVATIONS["gelu_tanh"](x) - exact).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("swiglu", GLU(activation="silu")),
        ("geglu", GLU(activation="gelu")),
        ("reglu", GLU(activation="relu")),
        ("relu2", MLP(activation="relu2")),
        ({"kind": "gelu", "size": 40, "bias": False}, MLP(activation="gelu", size=40, bias=False)),
    ],
)
def test_the_field_s_names_stand_for_kinds(given: str | dict, meant: FFN) -> None:
    assert FFN.parse(given) == meant and FFN.parse(dump(FFN.parse(given))) == meant


def test_a_name_of_the_field_does_not_lose_another_activation() -> None:
    assert FFN.parse({"kind": "swiglu", "activation": "silu"}) == GLU(activation="silu")
    with pytest.raises(ConfigError, match=r"ffn: swiglu has the activation silu, found 'gelu'; write kind = 'glu'"):
        parse(StackConfig, {"layers": 1, "heads": 1, "ffn": {"kind": "swiglu", "activation": "gelu"}})
