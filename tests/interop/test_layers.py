"""`layer_types`: one word a layer, where we tile a few over all."""

import pytest

import trivium
from trivium.base.errors import ModelError
from trivium.interop.keys import Ours
from trivium.interop.layers import FULL, SLIDING, WINDOW, layer_types, read_types, tile
from trivium.model.attention.pattern import Causal, Window

BASE = {"num_hidden_layers": 3, "sliding_window": 7, "layer_types": None}


@pytest.mark.parametrize(
    ("values", "shortest"),
    [("aaaa", "a"), ("abab", "ab"), ("ababa", "ab"), ("abca", "abc"), ("aab", "aab"), ("a", "a"), ("abba", "abb")],
)
def test_the_shortest_tile_that_gives_all_layers(values: str, shortest: str) -> None:
    assert "".join(tile(list(values))) == shortest


def every(n: int):
    return lambda theirs, layer: SLIDING if (layer + 1) % n else FULL


def test_words_are_read_or_taken_from_the_default() -> None:
    assert read_types({**BASE, "layer_types": [FULL, FULL, SLIDING]}, every(2)) == [FULL, FULL, SLIDING]
    assert read_types(BASE, every(2)) == [SLIDING, FULL, SLIDING]
    assert read_types(BASE, every(3)) == [SLIDING, SLIDING, FULL]
    with pytest.raises(ModelError, match="layer_types: expected 3 of"):
        read_types({**BASE, "layer_types": [FULL, FULL, "mamba"]}, every(2))
    with pytest.raises(ModelError, match="num_hidden_layers: expected a whole number from 1 to 10000, found '3'"):
        read_types({**BASE, "num_hidden_layers": "3"}, every(2))


def test_words_become_patterns_of_one_window_and_come_back() -> None:
    entry = layer_types(every(2), {"sliding_window": 4096})
    found = entry.read(BASE)["*.pattern"]
    assert found == (Window(size=7), Causal())
    with pytest.raises(ModelError, match="sliding_window: needed"):
        entry.read({**BASE, "sliding_window": None})
    config = trivium.build("llama", layers=3, hidden_size=32, heads=2, vocab_size=64, pattern=found).config
    assert entry.write(Ours(config, None, "X")) == {"layer_types": [SLIDING, FULL, SLIDING], "sliding_window": 7}


def test_one_window_of_all_layers() -> None:
    assert WINDOW.read(5) == [Window(size=5)] and WINDOW.read(None) == [Causal()]
    assert WINDOW.write({"0": {"kind": "window", "size": 5}}) == 5 and WINDOW.write({"0": {"kind": "causal"}}) is None
