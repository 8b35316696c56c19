import time
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.base.seeds import generator
from trivium.data.pack import PLANNERS, RowPlan, best_fit, concat

ROOM = 16
ODD = [0, 1, ROOM - 1, ROOM, ROOM + 1, 50 * ROOM]
lengths_of_any_kind = st.lists(st.one_of(st.sampled_from(ODD), st.integers(0, 3 * ROOM)), max_size=60)


def spots(plan: RowPlan) -> Counter[tuple[int, int]]:
    """Every token that the plan places, as (document, position)."""
    found: Counter[tuple[int, int]] = Counter()
    for document, start, length in zip(plan.document, plan.start, plan.length, strict=True):
        found.update((int(document), int(start) + i) for i in range(int(length)))
    return found


def check(plan: RowPlan, lengths: list[int], room: int) -> None:
    assert spots(plan) == Counter((d, i) for d, length in enumerate(lengths) for i in range(length))
    assert plan.tokens == sum(lengths)
    assert (plan.length > 0).all() and (plan.length <= room).all()
    assert plan.rows[0] == 0 and plan.rows[-1] == len(plan.document) and (np.diff(plan.rows) > 0).all()
    filled = [plan.length[a:b].sum() for a, b in pairwise(plan.rows)]
    assert all(0 < tokens <= room for tokens in filled)


@given(lengths=lengths_of_any_kind, room=st.sampled_from([1, 2, 7, ROOM]))
def test_without_its_tail_a_plan_has_full_rows_alone(lengths, room):
    plan = concat(np.array(lengths, dtype=np.int64), room)
    whole = plan.whole()
    assert (whole.tokens == sum(lengths) // room * room and whole.waste == 0) or not len(whole)
    assert not (spots(whole) - spots(plan)) and len(plan) - len(whole) == bool(sum(lengths) % room)


@pytest.mark.parametrize("planner", sorted(PLANNERS))
@settings(deadline=None, max_examples=100)
@given(lengths=lengths_of_any_kind, room=st.sampled_from([1, 2, 7, ROOM]))
def test_every_token_is_placed_once_and_nothing_overflows(planner, lengths, room):
    check(PLANNERS[planner](np.array(lengths, dtype=np.int64), room), lengths, room)


@settings(deadline=None, max_examples=100)
@given(lengths=lengths_of_any_kind)
def test_concat_keeps_the_order_and_fills_every_row_but_the_last(lengths):
    plan = concat(np.array(lengths, dtype=np.int64), ROOM)
    order = [(int(d), int(s)) for d, s in zip(plan.document, plan.start, strict=True)]
    assert order == sorted(order)
    assert len(plan) == -(-sum(lengths) // ROOM)


@settings(deadline=None, max_examples=100)
@given(lengths=lengths_of_any_kind)
def test_best_fit_cuts_only_what_is_longer_than_a_row(lengths):
    plan = best_fit(np.array(lengths, dtype=np.int64), ROOM)
    assert plan.cut == sum(length > ROOM for length in lengths)


def test_best_fit_takes_the_fullest_row_that_still_fits():
    plan = best_fit(np.array([10, 12, 3, 7, 2]), ROOM)
    rows = [set(plan.document[a:b].tolist()) for a, b in pairwise(plan.rows)]
    assert sorted(rows, key=min) == [{0, 4}, {1, 2}, {3}]


def test_best_fit_leaves_next_to_no_space():
    lengths = np.minimum(generator(0).geometric(1 / 300, size=5000), 2000)
    assert best_fit(lengths, 1024).waste < 0.01
    assert concat(lengths, 1024).waste < 1e-3


def test_many_overlong_documents_do_not_starve_the_short_ones():
    lengths = [50 * ROOM] * 100 + [1] * 100
    for planner in PLANNERS.values():
        check(planner(np.array(lengths), ROOM), lengths, ROOM)


@pytest.mark.parametrize("planner", sorted(PLANNERS))
@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_of_nothing_there_are_no_rows(planner, lengths):
    plan = PLANNERS[planner](np.array(lengths, dtype=np.int64), ROOM)
    assert (len(plan), plan.tokens, plan.cut) == (0, 0, 0)


def test_planning_a_hundred_thousand_documents_takes_no_time():
    lengths = generator(1).integers(1, 600, size=100_000)
    start = time.perf_counter()
    best_fit(lengths, 512)
    assert time.perf_counter() - start < 5
