"""The tiled kernel: no score matrix, no work for blocks that nobody sees, and a bias that learns."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from places import alone, packed
from trivium.model.attention import tiled
from trivium.model.attention.kernel import Eager, Kernel
from trivium.model.attention.pattern import Causal, Pattern, Window
from trivium.model.attention.sparse import Global
from trivium.model.attention.tiled import Tiled
from trivium.model.attention.view import View
from trivium.model.layer.position import Bucket


class Watch(TorchDispatchMode):
    """Notes the largest tensor that any operation makes, and counts the numbers that are exponentiated."""

    largest = exponentials = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.numel())
        if func.overloadpacket is torch.ops.aten.exp_:
            self.exponentials += out.numel()
        return out


def watched(kernel: Kernel, view: View, heads: int = 2, kv_heads: int = 2) -> Watch:
    rows, length = len(view.q.document), view.q.position.shape[1]
    q, k, v = (torch.randn(rows, h, length, 8, requires_grad=True) for h in (heads, kv_heads, kv_heads))
    with Watch() as watch:
        kernel.attend(q, k, v, view, 8**-0.5).sum().backward()
    return watch


@pytest.mark.parametrize("pattern", [Causal(), Window(size=64), Window(size=64, both=True) | Global()])
def test_no_tensor_has_n_times_n_numbers(pattern: Pattern) -> None:
    where = alone(2048)
    relative = Bucket().relative(2, 8)
    seen = watched(Tiled(), View(pattern, where, where, True, relative))
    assert seen.largest <= 2 * tiled.BLOCK * tiled.WIDEST
    short = alone(256)
    assert watched(Eager(), View(pattern, short, short, True)).largest == 2 * 256 * 256


def test_what_nobody_sees_costs_nothing() -> None:
    """Exponentials are counted: twice those of the tiles, once forwards and once backwards, and few besides."""
    where, dense = alone(2048), 2 * 2 * 2048 * 2048
    counts = {
        "causal": watched(Tiled(), View(Causal(), where, where, True)).exponentials / dense,
        "window": watched(Tiled(), View(Window(size=128), where, where, True)).exponentials / dense,
    }
    assert 0.5 < counts["causal"] < 0.56 and 0.05 < counts["window"] < 0.14
    row = packed([[256] * 8], 2048)
    assert watched(Tiled(), View(Causal(), row, row)).exponentials / dense < 0.1


def test_a_trained_bias_gets_the_gradient_of_every_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "BLOCK", 4)
    monkeypatch.setattr(tiled, "WIDEST", 8)
    where = packed([[11, 9], [20]], 21)
    relative = Bucket(num_buckets=8, max_distance=12).relative(4, 8).double()
    gradients = []
    for kernel in (Eager(), Tiled()):
        q, k, v = torch.randn(3, 2, 4, 21, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        out = kernel.attend(q, k, v, View(Causal(), where, where, relative=relative), 1.0, softcap=3.0)
        gradients.append(torch.autograd.grad(out.square().sum(), relative.table.weight)[0])
    assert gradients[0].abs().max() > 0.01 and torch.allclose(*gradients, atol=1e-10)


def test_gradients_are_those_of_finite_differences() -> None:
    where = packed([[5, 3]], 9)
    q = torch.randn(1, 2, 9, 3, dtype=torch.float64, requires_grad=True)
    k, v = (torch.randn(1, 1, 9, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def attend(*x: torch.Tensor) -> torch.Tensor:
        return Tiled().attend(*x, View(Causal(), where, where), 0.7, softcap=1.5)

    assert torch.autograd.gradcheck(attend, (q, k, v))


def test_autocast_does_not_reach_into_the_tiles() -> None:
    where = alone(16)
    q, k, v = torch.randn(3, 1, 2, 16, 8, requires_grad=True)
    outside = Tiled().attend(q, k, v, View(Causal(), where, where, True), 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        inside = Tiled().attend(q, k, v, View(Causal(), where, where, True), 1.0)
    assert torch.equal(outside, inside)
