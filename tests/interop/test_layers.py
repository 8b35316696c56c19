"""`layer_types`: one word a layer, where we tile a few over all."""

import pytest

from trivium.base.errors import ModelError
from trivium.interop.layers import FULL, SLIDING, one, read_types, tile, write_types
from trivium.model.attention.pattern import Causal, Full, Window
from trivium.model.stack import StackConfig


@pytest.mark.parametrize(
    ("values", "shortest"),
    [("aaaa", "a"), ("abab", "ab"), ("ababa", "ab"), ("abca", "abc"), ("aab", "aab"), ("a", "a"), ("abba", "abb")],
)
def test_the_shortest_tile_that_gives_all_layers(values: str, shortest: str) -> None:
    assert "".join(tile(list(values))) == shortest


def test_words_are_read_or_taken_from_the_default() -> None:
    assert read_types({"layer_types": [FULL, SLIDING]}, 2, lambda _: FULL) == [FULL, SLIDING]
    assert read_types({}, 3, lambda layer: SLIDING if layer else FULL) == [FULL, SLIDING, SLIDING]
    with pytest.raises(ModelError, match="layer_types: expected 2 of"):
        read_types({"layer_types": [FULL, "mamba"]}, 2, lambda _: FULL)


def test_words_are_written_of_patterns() -> None:
    stack = StackConfig(layers=3, heads=1, pattern=(Window(size=3), Causal()))
    assert write_types(stack, Window, Causal, "X") == [SLIDING, FULL, SLIDING]
    with pytest.raises(ModelError, match="pattern: causal, X has full and window"):
        write_types(stack, Window, Full, "X")


def test_what_all_layers_have_in_common() -> None:
    assert one([3, 3], "size", "X") == 3
    with pytest.raises(ModelError, match="size: differs between layers, X has one for all"):
        one([3, 4], "size", "X")
