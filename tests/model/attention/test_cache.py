"""A cache gives what a pass without one gives, for every pattern and position, and forgets what nobody can see."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from places import CLOSE, PATTERNS, SIZE, build, causal, part, stream
from trivium.base.batch import Stream
from trivium.model.attention.cache import RollingBuffer
from trivium.model.attention.pattern import Causal, Window
from trivium.model.layer.position import Position
from trivium.model.transformer import Transformer


@torch.no_grad()
def decoded(model: Transformer, whole: Stream, cuts: list[int]) -> Tensor:
    """Hidden states, computed piece by piece with a cache."""
    width = whole.ids.shape[1]
    cache = model.decoder.cache(width, len(whole.ids))
    edges = [0, *cuts, width]
    steps = [part(whole, start, stop) for start, stop in pairwise(edges)]
    return torch.cat([model.decode(step, cache=cache) for step in steps], dim=1)


def same(model: Transformer, whole: Stream, cuts: list[int]) -> None:
    with torch.no_grad():
        expected = model.decode(whole)
    there = whole.documents > 0
    assert (decoded(model, whole, cuts) - expected)[there].abs().max() <= CLOSE * max(1.0, float(expected.std()))


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("prompt", [1, SIZE - 2, SIZE - 1, SIZE, 11])
def test_cached_is_uncached_under_every_pattern(name: str, prompt: int) -> None:
    width = prompt + 9
    whole = stream([width, width], width, prefix=min(prompt, 2) if name == "prefix" else 0)
    same(build(causal(PATTERNS[name])), whole, list(range(prompt, width)))


def test_what_follows_a_prefix_is_causal_in_pieces_too() -> None:
    same(build(PATTERNS["prefix"]), stream([16, 16], 16, prefix=4), [5, 9])


@pytest.mark.parametrize("name", PATTERNS)
def test_cached_is_uncached_in_rows_padded_on_the_left(name: str) -> None:
    """Prompts of 1, 5 and 33 tokens, and eight more for each."""
    whole = stream([9, 13, 41], 41, prefix=1 if name == "prefix" else 0)
    same(build(causal(PATTERNS[name])), whole, list(range(33, 41)))


@pytest.mark.parametrize("position", Position.kinds)
@pytest.mark.parametrize("lengths", [[20, 20], [7, 20]])
def test_cached_is_uncached_for_every_position(position: str, lengths: list[int]) -> None:
    same(build(Causal(), position=position), stream(lengths, 20), list(range(13, 20)))


@pytest.mark.parametrize("kernel", ["eager", "sdpa", "tiled"])
def test_layers_of_different_windows_keep_different_pasts(kernel: str) -> None:
    model = build(Window(size=SIZE), Causal(), kernel=kernel)
    same(model, stream([30, 30], 30), list(range(3, 30)))
    same(model, stream([30, 17], 30), [5, 6, 14, 15, 29])  # pieces of one and of many


@pytest.mark.parametrize("size", [1, 2, SIZE])
def test_a_window_keeps_only_itself(size: int) -> None:
    model = build(Window(size=size))
    cache = model.decoder.cache(40)
    whole = stream([40], 40)
    with torch.no_grad():
        for start in range(40):
            model.decode(part(whole, start, start + 1), cache=cache)
    tape = cache.buffers[size - 1]
    assert tape.buffer.shape[3] <= 2 * size - 1
    assert cache.seen == 40
    assert tape.advance(1)[1].shape[3] == size, "of the past a step looks at the window alone"


def test_a_tape_gives_the_last_it_keeps() -> None:
    tape, whole = RollingBuffer(torch.empty(1, 0, dtype=torch.long), 1, capacity=50, keep=5), torch.arange(50)[None]
    at = 0
    for count in (1, 1, 3, 1, 7, 1, 1, 1, 9, 2, 13, 1):
        room, given = tape.advance(count)
        room.copy_(whole[:, at : at + count])
        at += count
        assert given[0].tolist() == list(range(max(0, at - count - 5), at))
    assert tape.buffer.shape[1] == tape.size == 11, "a long piece does not keep its room"


def test_rows_are_chosen_and_repeated() -> None:
    model, whole = build(Window(size=SIZE), Causal()), stream([12, 9], 12)
    rows = torch.tensor([1, 0, 1])
    cache = model.decoder.cache(12, 2)
    with torch.no_grad():
        model.decode(part(whole, 0, 8), cache=cache)
        cache.select(rows)
        chosen = Stream(*(x[rows] for x in (whole.ids, whole.positions, whole.documents)))
        found = model.decode(part(chosen, 8, 12), cache=cache)
        assert torch.allclose(found, model.decode(chosen)[:, 8:], atol=CLOSE)


@pytest.mark.parametrize("name", [name for name in PATTERNS if name != "prefix"])
def test_what_the_last_pass_has_read_can_be_dropped(name: str) -> None:
    """Twelve tokens, then four of which the last three are dropped, then the right ones."""
    model, whole = build(causal(PATTERNS[name]), Causal()), stream([20], 20)
    wrong = replace(whole, ids=whole.ids.roll(1, dims=1))
    cache = model.decoder.cache(20)
    with torch.no_grad():
        model.decode(part(whole, 0, 12), cache=cache)
        wrong.ids[:, 12] = whole.ids[:, 12]
        model.decode(part(wrong, 12, 16), cache=cache)
        cache.trim(3)
        found = model.decode(part(whole, 13, 20), cache=cache)
        assert torch.allclose(found, model.decode(whole)[:, 13:], atol=CLOSE)
