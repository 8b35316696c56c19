"""RMSNorm as learners write it."""

import re

import pytest

from judged import every_mistake_is_told_apart, hint

RIGHT = """
import torch

def rmsnorm(x, weight, eps):
    size = torch.sqrt(torch.mean(x ** 2, dim=-1, keepdim=True) + eps)
    return x / size * weight
"""


def test_each_mistake_has_its_own_hint():
    every_mistake_is_told_apart("rmsnorm")
    assert hint("rmsnorm", RIGHT) is None
    library = "import torch\ndef rmsnorm(x, weight, eps):\n    return torch.rms_norm(x, weight.shape, weight, eps)"
    assert hint("rmsnorm", library) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("dim=-1", "dim=0", "wrong axis"),
        ("torch.mean", "torch.sum", "are summed"),
        ("dim=-1, keepdim=True)", "dim=None)", "one mean for all"),
        ("    size =", "    x = x - x.mean(-1, keepdim=True)\n    size =", "LayerNorm"),
        (" * weight", "", "weight is left out"),
        (" + eps)", ")", "eps is left out"),
        ("True) + eps)", "True)) + eps", "outside of the root"),
        ("torch.sqrt(", "(", "root is missing"),
        ("x / size", "x * size", "divide by it"),
        ("x ** 2", "x.abs()", "expected"),
    ],
)
def test_a_wrong_one_gets_its_hint(before, after, told):
    assert re.search(told, hint("rmsnorm", RIGHT, (before, after)) or "right")
