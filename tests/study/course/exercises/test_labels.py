"""The label mask as learners write it."""

import re

import pytest

from judged import every_mistake_is_told_apart, hint

RIGHT = """
def labels(ids, trained):
    made = []
    for place in range(len(ids)):
        after = place + 1
        made.append(ids[after] if after < len(ids) and trained[after] else -100)
    return made
"""


def test_each_mistake_has_its_own_hint():
    every_mistake_is_told_apart("labels")
    assert hint("labels", RIGHT) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("after = place + 1", "after = place", "labels are not moved"),
        ("trained[after]", "trained[place]", "mask is not moved"),
        ("after = place + 1", "after = (place + 1) % len(ids)", "predicts the first token"),
        ("-100", "0", "0 is a token"),
        (" and trained[after]", "", "every token is trained"),
        ("and trained[after]", "and not trained[after]", "turned round"),
        ("range(len(ids))", "range(len(ids) - 1)", "as long as ids"),
        ("return made", "return None", "call 1 of 4: expected .*found None"),
    ],
)
def test_a_wrong_one_gets_its_hint(before, after, told):
    assert re.search(told, hint("labels", RIGHT, (before, after)) or "right")
