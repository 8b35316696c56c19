"""`layer_types` of config.json: one word for each layer, where our config tiles a few patterns over all layers."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from trivium.base.errors import ModelError
from trivium.interop.keys import Entry, Form, Ours, Tree
from trivium.model.attention.pattern import Causal, Pattern, Window

T = TypeVar("T")
FULL, SLIDING = "full_attention", "sliding_attention"
MOST = 10_000
Word = Callable[[Tree, int], str]
"""The word of a layer, of their keys and its number."""

WINDOW = Form(
    lambda size: [Window(size=size) if size else Causal()],
    lambda layers: layers["0"]["size"] if layers["0"]["kind"] == "window" else None,
)
"""One size for all layers <-> `*.pattern`; null is no window."""


def tile(values: Sequence[T]) -> tuple[T, ...]:
    """Return the shortest tuple that, repeated, gives these values."""
    for size in range(1, len(values)):
        if all(value == values[i % size] for i, value in enumerate(values)):
            return tuple(values[:size])
    return tuple(values)


def depth(theirs: Tree) -> int:
    """Return the number of layers, if it can be one: no stock model has more than `MOST`."""
    if type(layers := theirs["num_hidden_layers"]) is not int or not 0 < layers <= MOST:
        raise ModelError(f"num_hidden_layers: expected a whole number from 1 to {MOST}, found {layers!r}")
    return layers


def read_types(theirs: Tree, word: Word) -> list[str]:
    """Return the word of each layer; `word` gives it where the file has no `layer_types`."""
    layers = depth(theirs)
    types = list(theirs["layer_types"] or (word(theirs, layer) for layer in range(layers)))
    if len(types) != layers or not set(types) <= {FULL, SLIDING}:
        raise ModelError(f"layer_types: expected {layers} of {FULL} and {SLIDING}, found {types}")
    return types


def write_types(ours: Ours) -> list[str]:
    """Return the word of each layer of the only stack."""
    return [SLIDING if isinstance(pattern, Window) else FULL for pattern in ours.patterns]


def sliding(theirs: Tree) -> Pattern | None:
    """Return the pattern of the layers with a window, if the file gives its size."""
    return Window(size=size) if (size := theirs["sliding_window"]) else None


def layer_types(
    word: Word,
    defaults: Tree,
    window: Callable[[Tree], Pattern | None] = sliding,
    tell: Callable[[list[str], int | None], Tree] = lambda types, size: {"sliding_window": size},
    full: Pattern = Causal(),
) -> Entry:
    """Return the entry of `layer_types` and the keys beside it, of these `defaults`.

    `window` reads the pattern of the layers with a window; `tell` writes the keys beside `layer_types`, of the word
    of each layer and the size of the window, None if no layer has one; `full` is the pattern of the other layers.
    """

    def read(theirs: Tree) -> Tree:
        types, near = read_types(theirs, word), window(theirs)
        if SLIDING in types and near is None:
            raise ModelError("sliding_window: needed by layer_types, and not given")
        return {"*.pattern": tile([near if one == SLIDING else full for one in types])}

    def write(ours: Ours) -> Tree:
        types = write_types(ours)
        size = next((pattern.size for pattern in ours.patterns if isinstance(pattern, Window)), None)
        return {"layer_types": types, **tell(types, size)}

    return Entry({"layer_types": None, **defaults}, read, write)
