"""`layer_types`: one word a layer, where we tile a few over all."""

import pytest

import trivium
from trivium.base.errors import ModelError
from trivium.interop.keys import Ours
from trivium.interop.layers import FULL, SLIDING, WINDOW, LayerTypes, tile
from trivium.model.attention.pattern import Causal, Window

BASE = {"num_hidden_layers": 3, "sliding_window": 7, "layer_types": None}


@pytest.mark.parametrize(
    ("values", "shortest"),
    [("aaaa", "a"), ("abab", "ab"), ("ababa", "ab"), ("abca", "abc"), ("aab", "aab"), ("a", "a"), ("abba", "abb")],
)
def test_the_shortest_tile_that_gives_all_layers(values: str, shortest: str) -> None:
    assert "".join(tile(list(values))) == shortest


def test_words_are_read_or_taken_from_the_default() -> None:
    assert LayerTypes().types({**BASE, "layer_types": [FULL, FULL, SLIDING]}) == [FULL, FULL, SLIDING]
    assert LayerTypes(every=2).types(BASE) == [SLIDING, FULL, SLIDING]
    assert LayerTypes(every=3).types(BASE) == [SLIDING, SLIDING, FULL]
    with pytest.raises(ModelError, match="layer_types: expected 3 of"):
        LayerTypes().types({**BASE, "layer_types": [FULL, FULL, "mamba"]})


def test_words_become_patterns_of_one_window_and_come_back() -> None:
    found = LayerTypes().read(BASE)["*.pattern"]
    assert found == (Window(size=7), Causal())
    with pytest.raises(ModelError, match="sliding_window: needed"):
        LayerTypes().read({**BASE, "sliding_window": None})
    config = trivium.build("llama", layers=3, hidden_size=32, heads=2, vocab_size=64, pattern=found).config
    told = LayerTypes().write(Ours(config, None, "X"))
    assert told == {"layer_types": [SLIDING, FULL, SLIDING], "sliding_window": 7}


def test_one_window_of_all_layers() -> None:
    assert WINDOW.read(5) == [Window(size=5)] and WINDOW.read(None) == [Causal()]
    assert WINDOW.write({"0": {"kind": "window", "size": 5}}) == 5 and WINDOW.write({"0": {"kind": "causal"}}) is None
