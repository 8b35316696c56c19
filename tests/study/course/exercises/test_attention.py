"""Attention as learners write it: right in several ways, and wrong in the usual ones."""

import re

import pytest

from judged import every_mistake_is_told_apart, hint

RIGHT = """
import math
import torch

def attention(q, k, v, causal):
    scores = torch.einsum("hte,hse->hts", q, k) / math.sqrt(q.shape[-1])
    if causal:
        length = q.shape[1]
        seen = torch.tril(torch.ones(length, length, dtype=torch.bool))
        scores = scores.masked_fill(~seen, float("-inf"))
    return torch.softmax(scores, dim=-1) @ v
"""
LIBRARY = """
from torch.nn.functional import scaled_dot_product_attention
def attention(q, k, v, causal):
    return scaled_dot_product_attention(q, k, v, is_causal=causal)
"""


def test_each_mistake_has_its_own_hint():
    every_mistake_is_told_apart("attention")


@pytest.mark.parametrize("source", [RIGHT, LIBRARY])
def test_a_right_one_passes(source):
    assert hint("attention", source) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (" / math.sqrt(q.shape[-1])", "", "not divided by the root of the head width"),
        ("math.sqrt(q.shape[-1])", "q.shape[-1]", "divide by its root"),
        ("q.shape[-1])", "q.shape[1])", "root of T"),
        ("q.shape[-1])", "q.shape[0])", "root of H"),
        ("dim=-1", "dim=1", "over the queries"),
        ("dim=-1", "dim=0", "over the heads"),
        ("if causal:", "if False:", "sees a later position"),
        ("~seen", "seen", "expected"),
        ('float("-inf")', "0.0", "masked scores are 0"),
        (
            "torch.tril(torch.ones(length, length, dtype=torch.bool))",
            "torch.ones(length, length).tril(-1).bool()",
            "does not see its own",
        ),
        ("return torch.softmax(scores, dim=-1) @ v", "return torch.softmax(scores, dim=-1)", "found"),
        ("return torch.softmax(scores, dim=-1) @ v", "return 3", "expected a tensor .2, 5, 4., found 3"),
    ],
)
def test_a_wrong_one_gets_its_hint(before, after, told):
    assert re.search(told, hint("attention", RIGHT, (before, after)) or "right")
