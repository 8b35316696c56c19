"""The causal mask of a packed row as learners write it."""

import re

import pytest

from judged import every_mistake_is_told_apart, hint

RIGHT = """
import torch

def mask(documents):
    length = len(documents)
    seen = torch.zeros(length, length, dtype=torch.bool)
    for query in range(length):
        for key in range(query + 1):
            seen[query, key] = documents[query] == documents[key] and documents[key] != 0
    return seen
"""


def test_each_mistake_has_its_own_hint():
    every_mistake_is_told_apart("mask")
    assert hint("mask", RIGHT) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("range(query + 1)", "range(query)", "does not see itself"),
        ("range(query + 1)", "range(length)", "sees later tokens"),
        (" and documents[key] != 0", "", "padding sees padding"),
        ("documents[query] == documents[key]", "documents[query] != 0", "documents of a row see each other"),
        ("seen[query, key]", "seen[key, query]", "rows and columns are exchanged"),
        ("return seen", "return ~seen", "exchanged: True is where"),
        ("return seen", "return seen.float()", "expected True and False .torch.bool., found float32"),
        ("return seen", "return seen[0]", "expected a tensor .4, 4., found .4."),
    ],
)
def test_a_wrong_one_gets_its_hint(before, after, told):
    assert re.search(told, hint("mask", RIGHT, (before, after)) or "right")
