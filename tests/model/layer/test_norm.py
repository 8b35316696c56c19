"""Norms against their definitions, and every kind against what all must do."""

import pytest
import torch

from trivium.model.layer.norm import JointRMSNorm, LayerNorm, NoNorm, Norm, RMSNorm

KINDS = [kind() for kind in Norm.kinds.values() if kind.__module__.startswith("trivium.")]


@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
def test_every_kind_keeps_shape_and_dtype_and_has_gradients(config: Norm) -> None:
    module = config.build(6)
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(2, 3, 6).to(dtype).requires_grad_()
        y = module(x)
        assert y.shape == x.shape and y.dtype == dtype
        y.float().square().sum().backward()
        assert torch.isfinite(x.grad).all() and (x.grad != 0).any()


def test_rms_divides_by_the_root_mean_square() -> None:
    x, module = torch.randn(4, 8) * 5, RMSNorm(eps=1e-3).build(8)
    module.weight.data = torch.randn(8)
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-3).sqrt() * module.weight
    assert torch.allclose(module(x), expected, atol=1e-5)


def test_a_joint_norm_takes_all_heads_of_a_token_at_once() -> None:
    x, each, joint = torch.randn(2, 3, 5, 4), RMSNorm().of_heads(3, 4), JointRMSNorm().of_heads(3, 4)
    assert torch.allclose(each(x), RMSNorm().build(4)(x))
    joint.weight.data = torch.randn(12)
    for batch in range(2):
        for token in range(5):
            row = x[batch, :, token].flatten()
            expected = row / (row.square().mean() + 1e-6).sqrt() * joint.weight
            assert torch.allclose(joint(x)[batch, :, token].flatten(), expected, atol=1e-5)


def test_an_offset_is_added_to_the_weight_in_full_precision() -> None:
    x, plain, around = torch.randn(4, 8), RMSNorm().build(8), RMSNorm(offset=1.0).build(8)
    assert torch.equal(around.weight, torch.zeros(8)) and torch.equal(plain(x), around(x))
    small = torch.full((8,), 2.0**-9)  # 1 + this is 1 in bfloat16
    around = around.bfloat16()
    around.weight.data = small.bfloat16()
    exact = torch.nn.functional.rms_norm(x.bfloat16().float(), (8,), 1 + small, 1e-6)
    assert torch.equal(around(x.bfloat16()), exact.bfloat16())


def test_layer_subtracts_the_mean_and_may_have_no_bias() -> None:
    x = torch.randn(4, 8) + 3
    expected = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(LayerNorm().build(8)(x), expected, atol=1e-5)
    assert LayerNorm(bias=False).build(8).bias is None


def test_statistics_are_float32() -> None:
    x = (1000 + torch.randn(2, 64)).bfloat16()
    for config in (RMSNorm(), LayerNorm()):
        assert torch.equal(config.build(64).bfloat16()(x), config.build(64)(x.float()).bfloat16())


def test_none_is_the_identity() -> None:
    x = torch.randn(3, 4)
    assert NoNorm().build(4)(x) is x
