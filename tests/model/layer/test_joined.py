"""Sums with their RMSNorm in one pass: gradients by finite differences, values of the plain form."""

import pytest
import torch

from trivium.model.layer import joined, norm
from trivium.model.layer.norm import RMSNorm
from trivium.model.layer.residual import Parallel, Pre, Residual, Sandwich


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("block", [8, 1 << 17])
def test_gradients_are_those_of_finite_differences(more: bool, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "BLOCK", block)  # two rows, or all
    x, addend = (torch.randn(5, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    weight = torch.randn(4, dtype=torch.float64, requires_grad=True)
    given = x, addend if more else None, weight, 1e-3, torch.float64
    assert torch.autograd.gradcheck(joined.joined, given)
    total, out = joined.joined(*given)
    assert torch.equal(total, x + addend if more else x)
    assert torch.allclose(out, torch.nn.functional.rms_norm(total, (4,), weight, 1e-3), atol=1e-12)
    for only in (total, out):  # the other one is read by nobody
        grads = torch.autograd.grad(only.sum(), [x, addend] if more else [x], retain_graph=True)
        assert all(grad.abs().sum() > 0 for grad in grads)


@pytest.mark.parametrize("config", [Pre(), Sandwich(), Parallel()], ids=lambda config: config.kind)
def test_a_stream_in_bfloat16_is_that_of_plain_operators(config: Residual, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = config.build(RMSNorm(offset=0.5), 16, 2, 1, 0.0)
    for parameter in stream.parameters():
        parameter.data.normal_()
    matrix = torch.randn(16, 16) / 4
    found = []
    for plain in (False, True):
        if plain:
            monkeypatch.setattr(norm, "fits", lambda x: False)
        stream.zero_grad()
        x = torch.linspace(-2, 2, 96).view(2, 3, 16).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = stream(x, [lambda h: torch.nn.functional.linear(h, matrix)] * 2)
        assert y.dtype == torch.float32
        y.square().sum().backward()
        found.append([y, x.grad, *(parameter.grad for parameter in stream.parameters())])
    for fast, slow in zip(*found, strict=True):
        assert torch.allclose(fast, slow, rtol=2e-2, atol=2e-2 * float(slow.detach().abs().max()))
    assert torch.allclose(found[0][0], found[1][0], rtol=1e-3, atol=1e-3 * float(found[1][0].detach().abs().max()))


def test_only_a_training_step_in_bfloat16_on_a_cpu_takes_it() -> None:
    x = torch.randn(2, 4)
    assert not joined.fits(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert joined.fits(x) and not joined.fits(x.bfloat16()) and not joined.fits(torch.randn(4, 2).t())
        with torch.no_grad():
            assert not joined.fits(x)
