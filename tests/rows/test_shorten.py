import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.base.types import Segment
from trivium.rows.shorten import KEPT, shorten

BOS = 1


def talk(*parts):
    """BOS, then segments: (number of ids, trained)."""
    made, at = [Segment((BOS,), False)], 10
    for count, train in parts:
        made.append(Segment(tuple(range(at, at + count)), train, "assistant" if train else "user"))
        at += count
    return made


def flat(segments):
    return [(i, segment.train) for segment in segments for i in segment.ids]


def test_a_bos_that_begins_each_turn_never_stands_twice():
    turns = [Segment((BOS,), False), Segment((10, 11), False), Segment((BOS,), False), Segment((12, 13), True)]
    assert [i for i, _ in flat(shorten(turns, 3, "truncate-left", BOS))] == [BOS, 12, 13]
    assert [i for i, _ in flat(shorten(turns, 4, "truncate-left", BOS))] == [11, BOS, 12, 13]


def test_what_fits_stays_and_what_does_not_is_dropped():
    segments = talk((5, False), (5, True))
    assert shorten(segments, 11, "drop", BOS) == segments and shorten(segments, 10, "drop", BOS) is None


def test_the_longest_run_that_is_only_read_loses_its_middle():
    found = shorten(talk((30, False), (12, False), (5, True)), 38, "truncate-context", BOS)
    assert found[1].ids == (*range(10, 20), *range(30, 40)) and [len(s.ids) for s in found] == [1, 20, 12, 5]
    even = shorten(talk((30, False), (28, False), (5, True)), 40, "truncate-context", BOS)
    assert sum(len(s.ids) for s in even) == 40 and all(len(s.ids) >= KEPT for s in even[1:3])
    assert shorten(talk((10, False), (30, True)), 36, "truncate-context", BOS) is None


def test_the_oldest_go_first_and_an_answer_that_is_cut_into_is_only_read():
    found = shorten(talk((5, False), (6, True), (1, True), (5, False), (4, True)), 14, "truncate-left", BOS)
    assert [i for i, _ in flat(found)] == [BOS, *range(18, 31)]
    assert [i for i, train in flat(found) if train] == [27, 28, 29, 30]
    whole = shorten(talk((5, False), (6, True), (1, True), (5, False), (4, True)), 17, "truncate-left", BOS)
    assert [i for i, train in flat(whole) if train] == [*range(15, 22), 27, 28, 29, 30]
    only_end = shorten(talk((5, False), (6, True), (1, True), (5, False), (4, True)), 11, "truncate-left", BOS)
    assert [i for i, train in flat(only_end) if train] == [27, 28, 29, 30], "an end without its answer is no target"
    assert shorten(talk((5, False), (9, True)), 8, "truncate-left", BOS) is None


PARTS = st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=8)


@settings(deadline=None, max_examples=200)
@given(PARTS, st.integers(2, 80), st.sampled_from(["truncate-context", "truncate-left"]))
def test_whatever_comes_out_fits_and_trains_whole_answers_alone(parts, length, policy):
    segments = talk(*parts)
    found = shorten(segments, length, policy, BOS)
    if found is None:
        return
    assert len(flat(found)) <= length and flat(found)[0] == (BOS, False)
    before, after = flat(segments), flat(found)
    assert {i for i, _ in after} <= {i for i, _ in before}
    was = [train for _, train in before]
    runs, run = [], []
    for (i, train), following in zip(before, [*was[1:], False], strict=True):
        run = [*run, i] if train else []
        if train and not following:
            runs.append(run)
    trained = [i for i, train in after if train]
    assert trained == [i for run in runs if run[0] in trained for i in run], "an answer is whole or not trained"


@pytest.mark.parametrize("policy", ["truncate-context", "truncate-left"])
def test_a_prompt_without_answers_is_shortened_too(policy):
    assert len(flat(shorten(talk((40, False), (3, False)), 20, policy, BOS))) == 20
