"""Groups of texts: the first text knows how many follow."""

from collections import Counter

from layouts import layout
from talk import record
from trivium.rows.kinds.group import TextGroup


def test_keys_have_other_names():
    assert record(TextGroup, {"query": "a", "pos": "b", "neg": "c", "other": 1}).negative == "c"


def test_a_group_says_how_many_follow():
    made = TextGroup(anchor="a", positive="b", negative=("c", "d")).examples(layout(), None, None, Counter())
    assert len(made) == 4 and made[0].targets["group"] == 3 and not made[1].targets
    assert len(TextGroup(anchor="a", positive="b", negative="c").examples(layout(), None, None, Counter())) == 3


def test_equal_labels_have_equal_numbers_and_no_label_has_none():
    rows = [{"label": 1}, {"label": "1"}, {"label": "two"}, {}]
    made = [TextGroup(anchor="a", positive="b", **row).examples(layout(), None, None, Counter()) for row in rows]
    one, same, other, none = (int(group[0].targets["group_label"]) for group in made)
    assert one == same >= 0 and other not in (one, -1) and none == -1
