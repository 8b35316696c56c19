"""The features of a text are those that a count by hand gives, with and without spaces between words."""

import numpy as np
import pytest

from trivium.corpus.clean.features import Features, repeats


def test_words_with_spaces_are_the_runs_between_them():
    text = Features("The cat  sat.\n\nThe cat\n12 — the end", 2)
    assert text.step == 1 and text.words == 9 and text.visible == 25
    known, ids = text.numbered
    assert list(known) == ["The", "cat", "sat.", "12", "—", "the", "end"]
    assert ids.tolist() == [0, 1, 2, 0, 1, 3, 4, 5, 6]
    assert text.often.tolist() == [2, 2, 1, 1, 1, 1, 1] and text.with_letter == 7 / 9
    assert text.lines == ["The cat  sat.", "The cat", "12 — the end"]
    units, ends, often = text.units
    assert units.dtype == np.uint64 and np.diff(ends).tolist() == [3, 3, 4, 3, 3, 2, 1, 3, 3] and often[3] == 2


def test_words_without_spaces_are_so_many_letters():
    text = Features("天气很好。\n天气 12", 2)
    assert text.step == 2 and text.words == 6 / 2 and text.visible == 9
    assert text.with_letter == 6 / 9
    units, ends, often = text.units
    assert units.tolist() == [ord(one) for one in "天气很好。天气12"] and ends.tolist() == list(range(10))
    assert often.tolist() == [2, 2, 1, 1, 1, 2, 2, 1, 1]


@pytest.mark.parametrize("most", [0, 2, 3, 9])
def test_few_words_are_counted_and_many_are_more(most):
    found = Features("one two three", 2).at_most(most)
    assert found == 3 if most >= 3 else found > most


def test_a_line_that_stood_before_is_a_repeat():
    assert repeats(["ab", "c", "ab", "ab"]) == (2, 4) and repeats(["a", "b"]) == (0, 0)
    assert Features("ab\n\nab\nc", 2).repeated_lines == (1, 2)
