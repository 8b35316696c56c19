"""Records as Examples: labels, tags on words, spans in windows, groups and pairs."""

from collections import Counter
from itertools import pairwise

import pytest

from trivium.base.errors import DataError
from trivium.base.types import IGNORE
from trivium.rows import example as labelled
from trivium.rows.example import GroupRows, better, group, located, tagged, target, windows, with_margin, words
from trivium.rows.labelled import Better, Group, Question, Text, Words
from trivium.token.frame import Frame
from trivium.token.layout import Layout
from trivium.token.tokenizer import Tokenizer

BYTES = Tokenizer.bytes()


def layout(length=64, family="encoder"):
    return Layout(BYTES, Frame((1,), (2,), (2,)), family, length)


def test_labels_are_in_order():
    assert labelled.names(["b", "a", "b"]) == ("a", "b") and labelled.names(["10", "9"]) == ("9", "10")


def test_a_label_is_its_number_and_several_are_a_vector():
    assert target(Text(text="", label="b"), ("a", "b"), False, "f:1") == 1
    assert target(Text(text="", label=("b",)), ("a", "b"), True, "f:1").tolist() == [0, 1]
    assert target(Text(text="", label=()), ("a", "b"), True, "f:1").tolist() == [0, 0]
    with pytest.raises(DataError, match="f:1: label 'c' is none of the model's: a, b"):
        target(Text(text="", label="c"), ("a", "b"), False, "f:1")
    with pytest.raises(DataError, match="f:1: label: expected one, found 0"):
        target(Text(text=""), ("a", "b"), False, "f:1")


def test_a_text_that_is_cut_is_counted():
    counts = Counter()
    assert len(labelled.text(Text(text="x" * 99), layout(16), counts)) == 16 and counts.total() == 1
    assert len(labelled.text(Text(text="xy"), layout(16), counts)) == 4 and counts.total() == 1


def test_each_word_is_tagged_at_its_first_token():
    one = Words(tokens=("see", "Añn", "now"))
    example, at = words(one, layout())
    assert [BYTES.decode([int(example.enc[i])]).strip() or "sp" for i in at] == ["s", "A", "n"]
    tags = tagged(example, at, [0, 1, 2]).targets["tag"]
    assert tags[at].tolist() == [0, 1, 2] and (tags != IGNORE).sum() == 3


def test_words_beyond_the_context_have_no_place():
    example, at = words(Words(tokens=("see", "Ann", "now")), layout(8))
    assert at[0] == 1 and at[2] is None and (tagged(example, at, [0, 1, 2]).targets["tag"] != IGNORE).sum() == 2


def question(context, answer):
    return Question(question="q?", context=context, answers={"text": [answer], "answer_start": [context.index(answer)]})


def test_every_answer_is_found_again_in_its_windows():
    context = "abcdefgh" * 8 + "mnop" + "abcdefgh" * 8
    one = question(context, "mnop")
    found = 0
    for window in windows(one, layout(40), 10):
        made = located(one, window)
        start, end = int(made.targets["start"]), int(made.targets["end"])
        assert len(made) <= 40
        if end:
            assert BYTES.decode(made.enc[start : end + 1].tolist()) == "mnop"
            found += 1
        else:
            assert start == 0 and "mnop" not in BYTES.decode(made.enc.tolist())
    assert found >= 2


def test_windows_cover_the_context_with_a_stride():
    one = question("abcdefghij" * 8, "cde")
    parts = [window.places for window in windows(one, layout(31), 13)]
    assert parts[0][0, 0] == 0 and parts[-1][-1, 1] == 80
    assert all(b[0, 0] - a[0, 0] == 13 for a, b in pairwise(parts))


def test_a_group_says_how_many_follow_and_stays_together():
    made = group(Group(anchor="a", positive="b", negative=("c", "d")), layout(), Counter())
    assert len(made) == 4 and made[0].targets["group"] == 3 and not made[1].targets
    assert GroupRows([made]).row(5, 0) == made and GroupRows([made]).size(0) == 1
    with pytest.raises(DataError, match="no rows to train on"):
        GroupRows([])


def test_of_a_pair_only_the_answers_are_trained():
    one = Better(
        prompt=[
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "old"},
            {"role": "user", "content": "r"},
        ],
        chosen="yes",
        rejected="no",
    )
    chosen, rejected = better(one, layout(family="decoder"))
    for example, said in ((chosen, "yes"), (rejected, "no")):
        trained = example.targets["token"][example.targets["token"] != IGNORE].tolist()
        assert BYTES.decode(trained) == f"{said}<|end|>"
    assert with_margin((chosen, rejected), 1.5)[0].targets["margin"] == 1.5
    assert better(one, layout(10, "decoder")) is None
