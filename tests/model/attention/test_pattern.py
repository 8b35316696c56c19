"""Patterns against masks drawn by hand, and what they promise about blocks and about the past."""

import doctest
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from places import PATTERNS, alone
from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError
from trivium.model.attention.pattern import And, Causal, Full, KeyRange, Or, Pattern, Prefix, Window
from trivium.model.attention.view import View
from trivium.model.config import ModelConfig


def picture(text: str) -> str:
    return "\n".join(text.split())


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (Full(), "##### ##### ##### ##### #####"),
        (Causal(), "#.... ##... ###.. ####. #####"),
        (Window(size=2), "#.... ##... .##.. ..##. ...##"),
        (Window(size=2, both=True), "##... ###.. .###. ..### ...##"),
        (Window(size=1), "#.... .#... ..#.. ...#. ....#"),
        (Window(size=9), "#.... ##... ###.. ####. #####"),
        (Causal() & Window(size=2, both=True), "#.... ##... .##.. ..##. ...##"),
        (Window(size=1) | Causal(), "#.... ##... ###.. ####. #####"),
    ],
)
def test_masks(pattern: Pattern, expected: str) -> None:
    assert pattern.draw(5) == picture(expected)


def test_prefix_is_read_both_ways_and_the_rest_is_causal() -> None:
    assert Prefix().draw(6, prefix=3) == picture("###... ###... ###... ####.. #####. ######")
    where = alone(3)
    assert where.prefix is None and torch.equal(View(Prefix(), where, where).mask, View(Causal(), where, where).mask)


LENGTH = 40
SIZES = st.integers(1, 7)


@pytest.mark.parametrize("name", PATTERNS)
@settings(derandomize=True, max_examples=25, deadline=None)
@given(sizes=st.tuples(SIZES, SIZES), start=st.sampled_from([0, 3, 1000]))
def test_reach_and_cover_tell_the_truth(name: str, sizes: tuple[int, int], start: int) -> None:
    """What `reach` rules out is empty, what `cover` promises is full, for blocks of any two sizes."""
    pattern = PATTERNS[name]
    where = alone(LENGTH, start=start)._replace(prefix=torch.arange(LENGTH)[None] < 3)
    mask = pattern.allow(where.map(lambda x: x[0, :, None]), where.map(lambda x: x[0, None, :])).expand(LENGTH, LENGTH)

    def span(size: int, axis: int) -> KeyRange:
        blocks = torch.arange(LENGTH).split(size)
        ends = [(int(b[0]) + start, int(b[-1]) + start, bool((b < 3).any())) for b in blocks]
        return KeyRange(*(torch.tensor(end).unsqueeze(axis) for end in zip(*ends, strict=True)))

    def blocks(pairs: torch.Tensor) -> torch.Tensor:
        """Whether a block of pairs holds any of these."""
        ends = [torch.arange(LENGTH) // size for size in sizes]
        number = ends[0][:, None] * LENGTH + ends[1][None]
        found = torch.zeros(LENGTH * LENGTH).index_add(0, number.flatten(), pairs.float().flatten())
        return found.view(LENGTH, LENGTH)[: int(ends[0][-1]) + 1, : int(ends[1][-1]) + 1] > 0

    q, k = span(sizes[0], 1), span(sizes[1], 0)
    assert (pattern.reach(q, k) | ~blocks(mask)).all(), "a block with an allowed pair is skipped"
    assert (~pattern.cover(q, k) | ~blocks(~mask)).all(), "a block that lacks a pair needs its mask"


@pytest.mark.parametrize(("name", "most"), [("causal", 0.6), ("window", 0.2), ("block", 0.15), ("dilated", 0.25)])
def test_reach_leaves_out_what_can_be_left_out(name: str, most: float) -> None:
    ends = torch.arange(0, 64, 4)
    reach = PATTERNS[name].reach(KeyRange(ends[:, None], ends[:, None] + 3), KeyRange(ends[None], ends[None] + 3))
    assert reach.float().mean() <= most


@pytest.mark.parametrize("name", PATTERNS)
def test_nothing_older_than_keep_is_seen(name: str) -> None:
    """A query sees none of the past but the last `keep` keys, in any alignment: a cache may forget the others."""
    pattern = PATTERNS[name]
    if (keep := pattern.keep) is None:
        return
    q, k = alone(60).map(lambda x: x[0, :, None]), alone(60).map(lambda x: x[0, None, :])
    past = q.position - k.position
    seen = pattern.allow(q, k)
    assert not seen[past > keep].any()
    assert seen[past == keep].any(), "it keeps more than it needs"


@pytest.mark.parametrize("name", PATTERNS)
def test_the_shape_is_the_mask(name: str) -> None:
    """Where a pattern calls itself full or causal, it is, wherever those neighbouring tokens stand."""
    for length in range(1, 8):
        shape = PATTERNS[name].shape(length)
        for start in range(6 if shape else 0):
            where = alone(length, start=start)
            same = Full() if shape == "full" else Causal()
            assert torch.equal(View(PATTERNS[name], where, where).mask, View(same, where, where).mask), (length, start)


def test_parts_combine() -> None:
    assert (Causal() & Window()).keep == 255 and (Causal() | Window()).keep is None
    assert (Window(size=3) | Window(size=9)).keep == 8
    assert (Full() & Causal()).shape(9) == "causal" and (Full() | Causal()).shape(9) == "full"
    assert (Causal() & Window(size=4)).shape(5) is None


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_a_tree(name: str) -> None:
    assert Pattern.parse(dump(PATTERNS[name])) == PATTERNS[name]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"kind": "window", "size": 0}, "above 0"),
        ({"kind": "window", "size": -4}, "above 0"),
        ({"kind": "windw"}, "did you mean 'window'"),
        ({"kind": "dilated", "step": 0}, "above 0"),
        ({"kind": "global", "tokens": []}, "1 or more entries"),
        ({"kind": "global", "tokens": [3, -1]}, "expected positions from 0 on, found -1"),
        ({"kind": "random", "count": 0}, "above 0"),
        ({"kind": "block", "size": 0}, "above 0"),
        ({"kind": "fixed", "stride": 4, "summary": 5}, "summary 5: expected at most stride, 4"),
        ({"kind": "or", "of": []}, "1 or more entries"),
        ({"kind": "and", "of": ["causal", {"kind": "window", "size": 0}]}, "above 0"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_name(tree: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(ModelConfig, {"preset": "llama", "vocab_size": 64, "depth": 1, "decoder": {"pattern": tree}})


def test_layers_take_patterns_in_turn() -> None:
    config = parse(
        ModelConfig,
        {"preset": "llama", "vocab_size": 64, "depth": 3, "decoder": {"pattern": ["window", "window", "causal"]}},
    )
    assert [config.decoder.kind(layer)[0].kind for layer in range(4)] == ["window", "window", "causal", "window"]
    assert isinstance(Causal() & Window(), And) and isinstance(Causal() | Window(), Or)


def test_the_page_shows_what_the_code_draws() -> None:
    page = Path(__file__).parents[3] / "docs" / "attention.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried > 10 and not failed
