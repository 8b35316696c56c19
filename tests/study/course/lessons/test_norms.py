"""The streams of both forms from a plain loop over the formula, and what a fresh model of each does."""

import pytest
import torch

from trivium.model.layer.norm import RMSNorm
from trivium.model.layer.residual import Residual
from trivium.study.course.lessons import norms


@pytest.mark.parametrize("kind", norms.KINDS)
def test_a_block_is_the_formula(kind):
    x, matrix = torch.randn(2, 3, 8), torch.randn(8, 8)
    block = Residual.kinds[kind]().build(RMSNorm(), 8, 1, 1, 0.0)

    def norm(y):
        return y / y.square().mean(-1, keepdim=True).add(1e-6).sqrt()

    expected = x + norm(x) @ matrix if kind == "pre" else norm(x + x @ matrix)
    assert torch.allclose(block(x, [lambda h: h @ matrix]), expected, atol=1e-4)


def test_only_post_norm_keeps_the_size_of_the_stream():
    pre, post = (norms.start(kind, 6) for kind in norms.KINDS)
    assert post["stream"] == pytest.approx([1.0] * 6, rel=1e-3)
    assert pre["stream"] == sorted(pre["stream"]) and len(pre["gradient"]) == 6


def test_the_first_gradient_depends_on_the_depth_with_post_norm_alone():
    numbers = norms.exact()
    assert numbers["gradient_pre_24"] / numbers["gradient_pre_6"] == pytest.approx(1, abs=0.3)
    assert numbers["gradient_post_24"] / numbers["gradient_post_6"] > 5
