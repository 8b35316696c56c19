"""How Hugging Face's config.json spells what we choose: activations, RoPE, control ids. Shared by the families.

Transformers 5 reads `rope_parameters` and `dtype`, version 4 `rope_theta`, `rope_scaling` and `torch_dtype`; we
write all of them and read any.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from trivium.base.config import Choice
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.model.position import Linear, Llama3, NoScaling, RoPE

Tree = dict[str, Any]
Kind = TypeVar("Kind", bound=Choice)

ACTIVATIONS = {
    "silu": "silu", "swish": "silu",
    "gelu": "gelu", "gelu_python": "gelu",
    "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_python_tanh": "gelu_tanh",
    "relu": "relu", "relu2": "relu2", "tanh": "tanh",
}  # fmt: skip
"""Their name -> ours; of several, the first is the one we write."""


def read_activation(name: Any, key: str) -> str:
    """Our name of an activation."""
    if name not in ACTIVATIONS:
        raise ModelError(f"{key}: {name!r} is not supported; known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def write_activation(name: str) -> str:
    """Their name of an activation."""
    return next(theirs for theirs, ours in ACTIVATIONS.items() if ours == name)


def expect(value: Any, kind: type[Kind], field: str, architecture: str) -> Kind:
    """Say which field keeps a config from being a stock class, unless `value` is of the kind that it has."""
    if not isinstance(value, kind):
        raise ModelError(f"{field}: {getattr(value, 'kind', value)}, {architecture} has {kind.kind}")
    return value


def read_rope(config: Mapping[str, Any]) -> RoPE:
    """RoPE from either spelling; a type that we do not have is a ModelError."""
    table = {**(config.get("rope_parameters") or {}), **(config.get("rope_scaling") or {})}
    theta = float(table.get("rope_theta") or config.get("rope_theta") or 10000.0)
    if (fraction := table.get("partial_rotary_factor", config.get("partial_rotary_factor"))) not in (None, 1, 1.0):
        raise ModelError(f"partial_rotary_factor: {fraction} is not supported here, expected 1.0")
    kind = table.get("rope_type") or table.get("type") or "default"
    try:
        if kind == "default":
            return RoPE(theta=theta)
        if kind == "linear":
            return RoPE(theta=theta, scaling=Linear(factor=float(table["factor"])))
        if kind == "llama3":
            scaling = Llama3(
                factor=float(table["factor"]),
                low_frequency_factor=float(table["low_freq_factor"]),
                high_frequency_factor=float(table["high_freq_factor"]),
                original_context=int(
                    table.get("original_max_position_embeddings") or config["max_position_embeddings"]
                ),
            )
            return RoPE(theta=theta, scaling=scaling)
    except KeyError as missing:
        raise ModelError(f"rope_parameters: {kind} needs {missing.args[0]}, which is not given") from missing
    raise ModelError(f"rope_parameters: rope_type {kind!r} is not supported; known: default, linear, llama3")


def write_rope(rope: RoPE) -> Tree:
    """RoPE in both spellings."""
    scaling: Tree | None
    match rope.scaling:
        case NoScaling():
            scaling = None
        case Linear(factor=factor):
            scaling = {"rope_type": "linear", "factor": factor}
        case Llama3() as stretch:
            scaling = {
                "rope_type": "llama3",
                "factor": stretch.factor,
                "low_freq_factor": stretch.low_frequency_factor,
                "high_freq_factor": stretch.high_frequency_factor,
                "original_max_position_embeddings": stretch.original_context,
            }
        case other:
            raise ModelError(f"position.scaling: {other.kind} has no name in config.json")
    parameters = {"rope_theta": rope.theta, **(scaling or {"rope_type": "default"})}
    return {"rope_theta": rope.theta, "rope_scaling": scaling, "rope_parameters": parameters}


def write_ids(vocabulary: Vocabulary | None) -> Tree:
    """The control ids; without a tokenizer they are null, so that no reader falls back to ids of its own."""
    if vocabulary is None:
        return {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    return {"bos_token_id": vocabulary.bos, "eos_token_id": vocabulary.eos, "pad_token_id": vocabulary.pad}
