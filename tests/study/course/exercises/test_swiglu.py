"""SwiGLU as learners write it."""

import re

import pytest

from judged import every_mistake_is_told_apart, hint

RIGHT = """
import torch
from torch.nn import functional as F

def swiglu(x, gate, up, down):
    return (F.silu(x @ gate) * (x @ up)) @ down
"""


def test_each_mistake_has_its_own_hint():
    every_mistake_is_told_apart("swiglu")
    assert hint("swiglu", RIGHT) is None
    assert hint("swiglu", RIGHT, ("F.silu(x @ gate)", "(x @ gate) / (1 + torch.exp(-(x @ gate)))")) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("F.silu(x @ gate) * (x @ up)", "(x @ gate) * F.silu(x @ up)", "belongs on the gate"),
        ("F.silu(", "torch.sigmoid(", "that is GLU"),
        ("F.silu(", "torch.relu(", "that is ReGLU"),
        ("F.silu(", "F.gelu(", "that is GEGLU"),
        ("F.silu(", "(", "no activation"),
        (" * (x @ up)", " + (x @ up)", "are added"),
        (" * (x @ up)", "", "x up is left out"),
        ("(x @ up)", "F.silu(x @ up)", "both branches have"),
        (" @ down", "", "expected a tensor .3, 4., found .3, 6."),
    ],
)
def test_a_wrong_one_gets_its_hint(before, after, told):
    assert re.search(told, hint("swiglu", RIGHT, (before, after)) or "right")
