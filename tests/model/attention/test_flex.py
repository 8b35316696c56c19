"""FlexAttention: the blocks it is given, and what it computes without gradients on the CPU."""

import pytest
import torch

from places import PATTERNS, alone, packed
from trivium.base.errors import ConfigError
from trivium.model.attention.flex import BLOCK, Flex, block_mask, compiled
from trivium.model.attention.kernel import Eager
from trivium.model.attention.pattern import Causal, Window
from trivium.model.attention.view import View
from trivium.model.layer.position import ALiBi

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without")


@pytest.mark.parametrize("name", ["causal", "window", "or", "random"])
def test_the_block_mask_holds_what_is_seen(name: str) -> None:
    where = packed([[300, 200], [90, 400]], 520)
    view = View(PATTERNS[name], where, where)
    blocks = block_mask(view, 2)
    seen = torch.nn.functional.pad(view.mask, (0, -520 % BLOCK, 0, -520 % BLOCK))
    seen = seen.unflatten(2, (-1, BLOCK)).unflatten(4, (-1, BLOCK)).any(5).any(3)
    listed = blocks.to_dense().bool()
    assert listed.shape == seen.shape and not (seen & ~listed).any()
    assert name == "random" or not listed.all()


def test_it_computes_what_eager_does_where_it_may() -> None:
    where = alone(150, rows=2)
    q, (k, v) = torch.randn(2, 4, 150, 16), torch.randn(2, 2, 2, 150, 16)
    for pattern, relative in ((Causal(), None), (Window(size=9), ALiBi().relative(4, 16))):
        found, expected = (
            kernel.attend(q, k, v, View(pattern, where, where, True, relative), 0.25, softcap=4.0)
            for kernel in (Flex(), Eager())
        )
        assert torch.allclose(found, expected, atol=1e-5)


def test_it_cannot_train_on_the_cpu_and_says_so() -> None:
    where = alone(8)
    q = torch.randn(1, 2, 8, 4, requires_grad=True)
    with pytest.raises(ConfigError, match="kernel: flex has no backward pass on the CPU; kernel = 'auto'"):
        Flex().attend(q, q, q, View(Causal(), where, where, True), 1.0)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_is_traced(name: str) -> None:
    where = packed([[40, 20]], 64, prefix=5)
    q, k, v = torch.randn(3, 1, 2, 64, 16)
    found, expected = (kernel.attend(q, k, v, View(PATTERNS[name], where, where), 0.25) for kernel in (Flex(), Eager()))
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_is_compiled_on_the_cpu(name: str) -> None:
    torch._dynamo.reset()
    where = packed([[150, 90]], 256)
    q, k, v = torch.randn(3, 1, 2, 256, 16)
    view = View(PATTERNS[name], where, where)
    out = compiled()(q, k, v, None, block_mask(view, 1), 0.25).masked_fill(view.empty, 0.0)
    assert torch.allclose(out, Eager().attend(q, k, v, view, 0.25), atol=1e-5)


@pytest.mark.gpu
def test_it_trains_on_a_gpu() -> None:
    where = packed([[150, 90], [240]], 256).map(lambda x: x.cuda())
    gradients = []
    tensors = torch.randn(3, 2, 4, 256, 64, device="cuda")
    for kernel in (Flex(), Eager()):
        q, k, v = tensors.clone().requires_grad_()
        out = kernel.attend(q, k, v, View(Window(size=40), where, where), 0.125)
        gradients.append([out, *torch.autograd.grad(out.square().sum(), (q, k, v))])
    for mine, theirs in zip(*gradients, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-2)
