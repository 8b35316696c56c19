"""Byte-pair encoding as learners write it."""

import re

import pytest

from judged import every_mistake_is_told_apart, hint
from trivium.study.course.exercises import bpe

RIGHT = """
def bpe(words, merges):
    table = {word: list(word) for word in words}
    made = []
    for _ in range(merges):
        pairs = {}
        for word, count in words.items():
            for pair in zip(table[word], table[word][1:]):
                pairs[pair] = pairs.get(pair, 0) + count
        left, right = max(pairs, key=pairs.get)
        made.append([left, right])
        for word, parts in table.items():
            at = 0
            while at < len(parts) - 1:
                if (parts[at], parts[at + 1]) == (left, right):
                    parts[at : at + 2] = [left + right]
                at += 1
    return made
"""


def test_each_mistake_has_its_own_hint():
    every_mistake_is_told_apart("bpe")
    assert hint("bpe", RIGHT) is None


def test_no_two_pairs_that_are_merged_are_equally_frequent():
    for words, merges in bpe.cases():
        table = {tuple(word): count for word, count in words.items()}
        for pair in bpe.ours(words, merges):
            (_, first), (_, second) = (pairs := bpe.counted(table)).most_common(2)
            assert first == pairs[tuple(pair)] > second
            table = {bpe.joined(word, tuple(pair)): count for word, count in table.items()}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (" + count", " + 1", "count once each"),
        ("max(pairs", "min(pairs", "rarest"),
        ("made.append([left, right])", "made.append(left + right)", "joined strings"),
        ("made.append([left, right])", "made.append([right, left])", "turned round"),
        ("range(merges)", "range(1)", "one merge is made"),
        ("== (left, right)", "== 0", "expected"),
    ],
)
def test_a_wrong_one_gets_its_hint(before, after, told):
    assert re.search(told, hint("bpe", RIGHT, (before, after)) or "right")
