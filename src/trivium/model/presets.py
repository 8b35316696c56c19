"""Named sets of choices, each numerically identical to a stock Hugging Face class, each with one size dial.

`depth` sets layers = depth, heads = depth, hidden_size = 64 * depth; any field given beside it wins. What is
derived from another field (a feed-forward width, a head's width) follows the field that was given.
"""

from collections.abc import Callable
from typing import Any

from pydantic_core import PydanticCustomError

Tree = dict[str, Any]

PRESETS: dict[str, Callable[[], Tree]] = {}
SIZES = ("vocab_size", "hidden_size", "context")
DEFAULT_DEPTH = 12


def preset(build: Callable[[], Tree]) -> Callable[[], Tree]:
    """Register a function under its own name."""
    PRESETS[build.__name__.replace("_", "-")] = build
    return build


@preset
def llama() -> Tree:
    """LLaMA: pre-RMSNorm, RoPE, SwiGLU, causal, no bias, no dropout (Touvron et al. 2023, arXiv:2302.13971)."""
    return {
        "vocab_size": 32000,
        "context": 2048,
        "tie": False,
        "decoder": {
            "norm": {"kind": "rms", "eps": 1e-6},
            "ffn": {"kind": "glu", "activation": "silu"},
            "position": [{"kind": "rope"}],
            "pattern": ["causal"],
            "residual": "pre",
            "bias": False,
        },
    }


@preset
def gpt2() -> Tree:
    """GPT-2: pre-LayerNorm, learned positions, GELU, causal, biases, tied (Radford et al. 2019)."""
    return {
        "vocab_size": 50257,
        "context": 1024,
        "tie": True,
        "decoder": {
            "norm": {"kind": "layer", "eps": 1e-5},
            "ffn": {"kind": "mlp", "activation": "gelu_tanh"},
            "position": [{"kind": "learned"}],
            "pattern": ["causal"],
            "residual": "pre",
            "bias": True,
        },
    }


def expand(data: Tree) -> tuple[Tree, Tree]:
    """Split a model tree that names a preset into the preset's tree, at its size, and the fields laid over it."""
    name = data["preset"]
    if name not in PRESETS:
        raise PydanticCustomError(
            "kind", "unknown preset '{name}'; known: {known}", {"name": str(name), "known": ", ".join(PRESETS)}
        )
    above = dict(data)
    depth = above.pop("depth", DEFAULT_DEPTH)
    if not isinstance(depth, int) or depth < 1:
        raise PydanticCustomError(
            "kind", "depth: expected a whole number above 0, found {found}", {"found": repr(depth)}
        )
    below = PRESETS[name]()
    below["hidden_size"] = 64 * depth
    for stack in ("encoder", "decoder"):
        if stack in below:
            below[stack] = {"layers": depth, "heads": depth, **below[stack]}
    return below, above
