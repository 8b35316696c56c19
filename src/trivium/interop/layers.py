"""`layer_types` of config.json: one word for each layer, where our config tiles a few patterns over all layers."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from trivium.base.errors import ModelError
from trivium.interop.keys import Entry, Form, Ours, Tree
from trivium.model.attention.pattern import Causal, Pattern, Window

T = TypeVar("T")
FULL, SLIDING = "full_attention", "sliding_attention"

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


def depth(theirs: Mapping[str, Any]) -> int:
    """Return the number of layers."""
    if type(layers := theirs["num_hidden_layers"]) is not int:
        raise ModelError(f"num_hidden_layers: expected a whole number, found {layers!r}")
    return layers


def layer_types(ours: Ours) -> list[str]:
    """Return the word of each layer of the only stack."""
    return [SLIDING if isinstance(pattern, Window) else FULL for pattern in ours.patterns]


class LayerTypes(Entry):
    """`layer_types` and `sliding_window`: causal layers, each full or with a window.

    `every` layers the default is a full one; `size` is the default of `sliding_window`. A family whose keys differ
    overrides `word`, `window` and `told`.
    """

    full: Pattern = Causal()

    def __init__(self, every: int = 2, size: int = 4096, **more: Any) -> None:
        self.every = every
        self.keys = {"layer_types": None, "sliding_window": size, **more}

    def defaults(self) -> Tree:
        return self.keys

    def word(self, theirs: Mapping[str, Any], layer: int) -> str:
        """Return the word of a layer where the file has no `layer_types`."""
        return SLIDING if (layer + 1) % self.every else FULL

    def window(self, theirs: Mapping[str, Any]) -> Pattern | None:
        """Return the pattern of the layers with a window, if the file gives its size."""
        return Window(size=size) if (size := theirs["sliding_window"]) else None

    def told(self, types: list[str], size: int | None) -> Tree:
        """Return the keys beside `layer_types`; `size` is that of the window, None if no layer has one."""
        return {"sliding_window": size}

    def types(self, theirs: Mapping[str, Any]) -> list[str]:
        """Return the word of each layer."""
        layers = depth(theirs)
        types = list(theirs["layer_types"] or (self.word(theirs, layer) for layer in range(layers)))
        if len(types) != layers or not set(types) <= {FULL, SLIDING}:
            raise ModelError(f"layer_types: expected {layers} of {FULL} and {SLIDING}, found {types}")
        return types

    def read(self, theirs: Mapping[str, Any]) -> Tree:
        types, window = self.types(theirs), self.window(theirs)
        if SLIDING in types and window is None:
            raise ModelError("sliding_window: needed by layer_types, and not given")
        return {"*.pattern": tile([window if word == SLIDING else self.full for word in types])}

    def write(self, ours: Ours) -> Tree:
        types = layer_types(ours)
        size = next((pattern.size for pattern in ours.patterns if isinstance(pattern, Window)), None)
        return {"layer_types": types, **self.told(types, size)}
