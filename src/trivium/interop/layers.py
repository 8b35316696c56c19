"""How config.json says what kind each layer is: `layer_types`, one word a layer, where we tile a few over all.

Knows patterns and words; refuses to know families and weights.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from trivium.base.errors import ModelError
from trivium.model.attention.pattern import Pattern
from trivium.model.stack import StackConfig

T = TypeVar("T")
FULL, SLIDING = "full_attention", "sliding_attention"


def tile(values: Sequence[T]) -> tuple[T, ...]:
    """The shortest tuple that, repeated, gives these values."""
    for size in range(1, len(values)):
        if all(value == values[i % size] for i, value in enumerate(values)):
            return tuple(values[:size])
    return tuple(values)


def read_types(config: Mapping[str, Any], layers: int, default: Callable[[int], str]) -> list[str]:
    """The word of each layer; `default` gives it where config.json has none."""
    types = list(config.get("layer_types") or map(default, range(layers)))
    if len(types) != layers or not set(types) <= {FULL, SLIDING}:
        raise ModelError(f"layer_types: expected {layers} of {FULL} and {SLIDING}, found {types}")
    return types


def write_types(stack: StackConfig, window: type[Pattern], full: type[Pattern], architecture: str) -> list[str]:
    """The word of each layer of a stack whose patterns are windows or `full`."""
    types = []
    for pattern in (stack.kind(layer)[0] for layer in range(stack.layers)):
        if not isinstance(pattern, window | full):
            raise ModelError(f"pattern: {pattern.kind}, {architecture} has {full.kind} and {window.kind}")
        types.append(SLIDING if isinstance(pattern, window) else FULL)
    return types


def one(values: Sequence[T], field: str, architecture: str) -> T:
    """The value that all layers have in common."""
    if any(value != values[0] for value in values):
        raise ModelError(f"{field}: differs between layers, {architecture} has one for all")
    return values[0]
