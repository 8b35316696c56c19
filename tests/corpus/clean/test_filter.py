from collections import Counter

import pytest

from trivium.corpus.clean.filter import Filter, Light


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("too short", "shorter than 20 characters"),
        ("-----+-----+-----+---- 1234 5678 |", "mostly no words"),
        ("12 34 56 78 90 12 34 56 78 90", "mostly no words"),
        ("text with \ufffd broken \ufffd bytes", "undecodable characters"),
        ("An ordinary sentence of English.", None),
        ("这是一个普通的中文句子，应该保留下来，因为它有字。", None),
        ("def f(x):\n    return [x + 1 for _ in range(10)]", None),
    ],
)
def test_the_light_filter_says_why(text, reason):
    assert Light().reason(text) == reason


def test_filters_are_a_family():
    assert Filter.parse("light") == Light() and Filter.parse({"kind": "light", "min_chars": 3}).reason("abc") is None
    assert Filter.parse("none").reason("x") is None and Filter.parse("none").reason(" ") == "empty"


def test_a_judge_of_words_takes_no_line_away():
    counts: Counter[str] = Counter()
    assert Light().trim("a\nb", counts) == "a\nb" and not counts
