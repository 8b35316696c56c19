from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.corpus.clean.features import Features
from trivium.corpus.clean.repetition import Repetition, commonest, repeated
from trivium.corpus.clean.web import Web


def reason(rules, text):
    return Web(quality=None, repetition=rules, c4=None, fineweb=None).reason(text)


def plain(rules, text, step):
    """The rules of repetition told one run at a time."""
    units = list("".join(text.split())) if step > 1 else text.split()
    total = sum(map(len, units))
    for words, share in rules.commonest:
        found = [tuple(units[i : i + words * step]) for i in range(len(units) - words * step + 1)]
        if len(found) < 2:
            continue
        run, best = Counter(found).most_common(1)[0]
        if best > 1 and best * sum(map(len, run)) > share * total:
            return f"one run of {words} words over and over"
    for words, share in rules.repeated:
        seen, covered = set(), set()
        for i in range(len(units) - words * step + 1):
            run = tuple(units[i : i + words * step])
            if run in seen:
                covered.update(range(i, i + words * step))
            seen.add(run)
        if sum(len(units[i]) for i in covered) > share * total:
            return f"repeated runs of {words} words"
    return None


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    words=st.lists(st.sampled_from(["a", "bb", "ccc", "dd", "e", "fff"]), min_size=1, max_size=60), wide=st.booleans()
)
def test_repetition_is_counted_as_by_hand(words, wide):
    text = "".join(chr(0x4E00 + ord(word[0])) for word in words) if wide else " ".join(words)
    rules = Repetition(
        max_lines=1,
        max_line_chars=1,
        max_paragraphs=1,
        max_paragraph_chars=1,
        commonest=((2, 0.35), (3, 0.25)),
        repeated=((2, 0.75), (3, 0.4), (4, 0.2), (6, 0.1)),
    )
    assert reason(rules, text) == plain(rules, text, 2 if wide else 1)


def test_a_run_that_ends_the_text_counts():
    rules = Repetition(commonest=(), repeated=((2, 0.9), (4, 0.4)))
    assert reason(rules, "a b c d e a b c d") == "repeated runs of 4 words"


@pytest.mark.parametrize("rules", [Repetition(commonest=(), repeated=()), Repetition()])
def test_no_rule_and_no_text_are_no_repetition(rules):
    assert commonest(rules, Features("", 2)) is None and repeated(rules, Features("", 2)) is None
    assert reason(rules, "a word and another") is None
