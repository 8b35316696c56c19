import random
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.base.config import parse
from trivium.corpus.clean.filter import Filter
from trivium.corpus.clean.web import C4, FineWeb, Quality, Web
from trivium.corpus.prepare import Preparation

NAMES = [a + b for a in ("wa", "so", "li", "ment", "ra", "kel", "dor", "vi") for b in ("ter", "n", "gth", "s", "lor")]
ALL = Web()


def prose(lines=12, words=14, seed=0):
    """Lines that every rule lets pass."""
    draw = random.Random(seed)
    return "\n".join("The " + " ".join(draw.choices([*NAMES, "of", "and", "to"], k=words)) + "." for _ in range(lines))


def chinese(lines=12, letters=30, seed=0):
    draw = random.Random(seed)
    return "\n".join("".join(chr(draw.randrange(0x4E00, 0x8000)) for _ in range(letters)) + "。" for _ in range(lines))


PARAGRAPH = "\n\n".join([prose(2, seed=1)] * 3 + [prose(4, seed=2)])
CASES = [
    (prose(), None),
    (chinese(), None),
    (" \n", "empty"),
    (prose(2), "fewer than 50 words"),
    (chinese(2), "fewer than 50 words"),
    ("it to " * 30 + prose(2), "mean length of words not 3 to 10"),
    ("ofofofofofof" * 2 + " " + " ".join("of" * 9 for _ in range(50)), "mean length of words not 3 to 10"),
    (prose() + " #" * 30, "many number signs"),
    (prose() + " ..." * 30, "many ellipses"),
    ("- " + prose().replace("\n", "\n- "), "nearly all lines with a bullet"),
    (prose(words=20).replace(".\n", "...\n", 6), "many lines that end with an ellipsis"),
    (prose() + " 1234" * 60, "many words without a letter"),
    (chinese() + "12345678" * 30, "many words without a letter"),
    (re.sub("The |of |and |to ", "", prose()), "fewer than 2 of the stop words"),
    ("\n".join([prose(1)] * 5 + [prose(9)]), "repeated lines"),
    (PARAGRAPH, "repeated lines"),
    (" ".join(f"The {w} waters of this" for w in NAMES), "one run of 2 words over and over"),
    (" ".join([prose(4, seed=3)] * 2 + [prose(12)]), "repeated runs of 5 words"),
    (" ".join([chinese(4, seed=3)] * 2 + [chinese(8)]).replace("\n", ""), "repeated runs of 5 words"),
    (prose() + " Lorem ipsum dolor.", "lorem ipsum"),
    (prose() + " {", "a curly bracket"),
    (prose(2, 60).replace(".\n", " "), "fewer than 5 sentences"),
    (chinese(2, 200), "fewer than 5 sentences"),
    (prose().replace(".\n", "\n") + " One. Two. Three. Four. Five", "few lines that end as a sentence does"),
    (prose() + "".join(f"\nNo {a} {b}." for a in NAMES for b in NAMES[:2]), "mostly short lines"),
    (prose() + "\n" + prose(1, seed=5) + "\n" + prose(1, seed=5), "lines that stood before"),
    ("\n".join(f"{NAMES[i]} {NAMES[i - 7]} {('the', 'to')[i % 2]}." for i in range(40)), "many line ends"),
]


@pytest.mark.parametrize(("text", "reason"), CASES)
def test_each_rule_drops_what_it_is_for(text, reason):
    filter = Web(fineweb=FineWeb(max_short_lines=1)) if reason == "many line ends" else ALL
    assert filter.reason(text) == reason


@pytest.mark.parametrize("part", ["quality", "repetition", "c4", "fineweb"])
def test_a_set_of_rules_may_be_left_out(part):
    """With the others left out, only its own reasons are given."""
    alone = Web(**{name: None for name in ("quality", "repetition", "c4", "fineweb") if name != part})
    without = Web(**{part: None})
    found = {alone.reason(text) for text, _ in CASES} - {None, "empty"}
    others = {without.reason(text) for text, _ in CASES} - {None, "empty"}
    assert found and not found & others


def test_thresholds_are_fields():
    assert Filter.parse("web") == ALL
    assert ALL.replace(quality=Quality(min_words=10_000)).reason(prose()) == "fewer than 10000 words"
    tree = {"filter": {"kind": "web", "fineweb": None, "c4": {"min_sentences": 50, "brace": False}}}
    filter = parse(Preparation, tree, "prepare").filter
    assert filter == Web(fineweb=None, c4=C4(min_sentences=50, brace=False))
    assert filter.reason(prose() + " {") == "fewer than 50 sentences"
    french = Web(quality=Quality(min_stop_words=0))
    assert (
        french.reason(prose().replace("The", "Les").replace(" of", "").replace(" and", "").replace(" to", "")) is None
    )


def test_lines_are_taken_away_and_counted():
    counts: Counter[str] = Counter()
    lines = [
        "Home",
        "A first line [12] of words[citation needed].",
        "",
        "Please enable JavaScript to go on.",
        "b" * 1001,
        "We value you: read our Privacy Policy.",
        "A line with no mark at its end",
        "菜单",
    ]
    assert ALL.trim("\n".join(lines), counts) == "A first line of words.\n\nA line with no mark at its end"
    assert counts == {
        "citation mark taken away": 2,
        "line taken away: fewer than 3 words": 3,
        "line taken away: JavaScript": 1,
        "line taken away: a policy": 1,
    }
    counts.clear()
    assert Web(c4=C4(end_mark=True)).trim("A line that ends.\nA line that does not", counts) == "A line that ends."
    assert counts == {"line taken away: no end mark": 1}
    assert Web(c4=None).trim("\n".join(lines), counts) == "\n".join(lines)
    counts.clear()
    assert ALL.trim("a b " + "c" * 1001 + "\n这是一行没有空格的中文", counts) == "这是一行没有空格的中文"
    assert sum(counts.values()) == 1
    assert ALL.trim("菜单\n" + "这是一行没有空格的中文" * 200, counts) == "这是一行没有空格的中文" * 200


@settings(derandomize=True, deadline=None, max_examples=200)
@given(text=st.text(max_size=60) | st.text(alphabet="a中 \n.#{…\ud800-", max_size=200))
def test_no_text_is_too_odd_to_judge(text):
    bare = Web(quality=Quality(min_words=0, min_word_length=0, min_alphabetic=0, min_stop_words=0))
    for filter in (ALL, bare):
        trimmed = filter.trim(text, Counter())
        assert filter.reason(trimmed) is None or isinstance(filter.reason(trimmed), str)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(words=st.lists(st.integers(1, 4), min_size=1, max_size=30), share=st.sampled_from([0, 0.3, 0.5, 1.0, 2.0]))
def test_line_ends_are_compared_with_all_words(words, share):
    text = "\n\n".join(" ".join(f"word{line}{n}." for n in range(count)) for line, count in enumerate(words))
    rules = FineWeb(max_breaks=share, max_short_lines=1.0)
    many = text.count("\n") > share * len(text.split())
    assert Web(quality=None, repetition=None, c4=None, fineweb=rules).reason(text) == (
        "many line ends" if many else None
    )


@pytest.mark.parametrize(
    ("word", "lettered"),
    [("a", True), ("1a,", True), ("12", False), ("_-_", False), ("é1", True), ("—", False), ("²", True)],
)
def test_a_word_has_a_letter_or_not(word, lettered):
    rules = Quality(min_words=0, min_word_length=0, min_alphabetic=0.5, min_stop_words=0)
    assert Web(quality=rules, repetition=None, c4=None, fineweb=None).reason(word) == (
        None if lettered else "many words without a letter"
    )
