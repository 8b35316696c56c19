"""The view: documents and padding under every pattern, and plans of blocks that leave out nothing that is seen."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from places import PATTERNS, alone, packed
from trivium.model.attention.pattern import Causal, Full, Where, Window
from trivium.model.attention.sparse import Global
from trivium.model.attention.view import View
from trivium.model.layer.position import ALiBi, RoPE


def test_documents_never_see_each_other_and_padding_is_never_seen() -> None:
    where = packed([[2, -1, 3]], 7)
    full = ["##.....", "##.....", ".......", "...###.", "...###.", "...###.", "......."]
    assert View(Full(), where, where).mask[0, 0].tolist() == [[c == "#" for c in line] for line in full]
    causal = ["#......", "##.....", ".......", "...#...", "...##..", "...###.", "......."]
    view = View(Causal(), where, where)
    assert view.mask[0, 0].tolist() == [[c == "#" for c in line] for line in causal]
    assert view.empty[0, 0, :, 0].tolist() == [False, False, True, False, False, False, True]


def test_a_memory_is_seen_by_its_own_document() -> None:
    q, k = packed([[2, 1]], 4), packed([[1, 2]], 3)
    mask = View(Full(), q, k).mask[0, 0].tolist()
    assert mask == [[True, False, False], [True, False, False], [False, True, True], [False, False, False]]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(PATTERNS)),
    rows=st.lists(st.lists(st.sampled_from([-3, 1, 4, 9]), max_size=4), min_size=1, max_size=3),
    memory=st.booleans(),
    block=st.integers(1, 12),
    times=st.integers(1, 3),
)
def test_a_plan_covers_what_is_seen_and_no_more_than_once(name, rows, memory, block, times) -> None:
    """Every allowed pair lies in a tile, no pair in two, and a tile called whole holds nothing but allowed pairs."""
    q = packed(rows, 38, prefix=2)
    k = packed([row[::-1] for row in rows], 41, prefix=2) if memory else q
    view = View(PATTERNS[name], q, k)
    times_seen = torch.zeros_like(view.mask, dtype=torch.int)
    for stripe in view.plan(block, times * block):
        assert stripe.tiles, "a block that sees nothing has no stripe"
        for tile in stripe.tiles:
            times_seen[stripe.rows, :, stripe.queries, tile.keys] += 1
            part = view.mask[stripe.rows, :, stripe.queries, tile.keys]
            assert part.all() or not tile.whole
            assert torch.equal(part, view.allow(stripe.rows, stripe.queries, tile.keys))
            assert tile.keys.stop - tile.keys.start <= times * block
    assert times_seen.max() <= 1 and (times_seen[view.mask] == 1).all()


def test_rows_that_are_alike_are_looked_at_once() -> None:
    where = alone(32, rows=5)
    assert View(Window(size=4), where, where, plain=True).mask.shape == (1, 1, 32, 32)
    assert len(View(Causal(), where, where, plain=True).plan(8, 8)) == 4
    assert View(Causal(), where, where).mask.shape == (5, 1, 32, 32)
    marked = where._replace(prefix=where.position < torch.arange(5)[:, None])
    view = View(PATTERNS["prefix"], marked, marked, plain=True)
    assert view.mask.shape == (5, 1, 32, 32) and view.mask[4].sum() > view.mask[1].sum(), "each row has its own prefix"


def test_blocks_of_other_documents_are_left_out() -> None:
    where = packed([[64] * 8], 512)
    assert View(Causal(), where, where).share(64) == 8 / 64
    assert View(Window(size=64), alone(512), alone(512), plain=True).share(64) == 15 / 64
    assert View(Full(), where, where).states(64).diagonal(dim1=1, dim2=2).eq(2).all(), "whole: no mask is needed"


@pytest.mark.parametrize(
    ("pattern", "queries", "keys", "plain", "expected"),
    [
        (Causal(), 8, 8, True, "causal"),
        (Causal(), 8, 8, False, None),
        (Causal(), 1, 8, True, "full"),  # the last position sees every key
        (Causal(), 3, 8, True, None),
        (Full(), 3, 8, True, "full"),
        (Window(size=8), 8, 8, True, "causal"),
        (Window(size=7), 8, 8, True, None),
        (Window(size=8), 1, 8, True, "full"),
        (Global(), 8, 8, True, None),
    ],
)
def test_a_mask_is_dropped_where_the_shape_says_the_same(pattern, queries, keys, plain, expected) -> None:
    k = alone(keys)
    q = Where(k.position[:, -queries:], k.document[:, -queries:])
    view = View(pattern, q, k, plain)
    assert view.shape == expected
    if expected == "full":
        assert view.mask.all()
    if expected == "causal":
        assert torch.equal(view.mask[0, 0], torch.ones(8, 8).tril().bool())


def test_a_bias_needs_the_scores_and_a_rotation_does_not() -> None:
    where = alone(6, rows=2)
    turned = View(Causal(), where, where, True, RoPE().relative(2, 8))
    assert turned.shape == "causal" and not turned.biased and turned.rotation.cos.shape == (1, 1, 6, 8)
    sloped = View(Causal(), where, where, True, ALiBi().relative(2, 8))
    assert sloped.shape is None and sloped.biased and sloped.rotation is None
    scores = sloped.scores(torch.float32)
    assert scores.shape == (1, 2, 6, 6) and scores.isfinite().all() and (scores[0, 0].triu(1).min() < -1e30)
    assert scores is sloped.scores(torch.float32), "made once for all layers"
