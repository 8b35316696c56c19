"""How Hugging Face's config.json spells what we choose: activations, RoPE, control ids. Shared by the families.

Transformers 5 reads `rope_parameters` and `dtype`, version 4 `rope_theta`, `rope_scaling` and `torch_dtype`; we
write all of them and read any.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from trivium.base.config import Choice, parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.model.config import ModelConfig
from trivium.model.layer.position import RoPE
from trivium.model.layer.scaling import Dynamic, Linear, Llama3, NoScaling, Scaling, YaRN
from trivium.model.stack import StackConfig

Tree = dict[str, Any]
Kind = TypeVar("Kind", bound=Choice)

ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu2",
    "tanh": "tanh",
}
"""Their name -> ours; of several, the first is the one we write."""


SCALINGS: dict[str, tuple[type[Scaling], dict[str, str]]] = {
    "default": (NoScaling, {}),
    "linear": (Linear, {"factor": "factor"}),
    "dynamic": (Dynamic, {"factor": "factor", "original_context": ""}),
    "yarn": (
        YaRN,
        {
            "factor": "factor",
            "original_context": "original_max_position_embeddings",
            "beta_fast": "beta_fast",
            "beta_slow": "beta_slow",
            "attention_factor": "attention_factor",
            "truncate": "truncate",
        },
    ),
    "llama3": (
        Llama3,
        {
            "factor": "factor",
            "low_frequency_factor": "low_freq_factor",
            "high_frequency_factor": "high_freq_factor",
            "original_context": "original_max_position_embeddings",
        },
    ),
}
"""Their rope_type -> our kind and what its fields are called; an original context not given is the context."""
KEYS = {theirs for _, fields in SCALINGS.values() for theirs in fields.values()}
REQUIRED = {"factor", "low_freq_factor", "high_freq_factor"}


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


def lone(config: ModelConfig, name: str, architecture: str) -> StackConfig:
    """The stack of a config that has no other."""
    if list(config.stacks) != [name]:
        raise ModelError(f"stacks: {config.family}, {architecture} has {name}")
    return config.stacks[name]


def divides(config: ModelConfig, stack: StackConfig, architecture: str) -> None:
    """Say so where the heads do not divide the width, as they must in classes that have no head size."""
    if config.hidden_size % stack.heads:
        raise ModelError(f"heads: {stack.heads}, {architecture} needs a divisor of hidden_size {config.hidden_size}")


def read_rope(config: Mapping[str, Any]) -> RoPE:
    """RoPE from either spelling; what we do not have is a ModelError."""
    table = {**(config.get("rope_parameters") or {}), **(config.get("rope_scaling") or {})}
    table = {"rope_theta": config.get("rope_theta"), **table}
    fraction = table.pop("partial_rotary_factor", config.get("partial_rotary_factor"))
    if fraction not in (None, 1):
        raise ModelError(f"partial_rotary_factor: {fraction} is not supported here, expected 1.0")
    theta, old, new = table.pop("rope_theta"), table.pop("type", None), table.pop("rope_type", None)
    if (name := new or old or "default") not in SCALINGS:
        raise ModelError(f"rope_parameters: rope_type {name!r} is not supported; known: {', '.join(SCALINGS)}")
    if strange := [key for key in table if key not in KEYS]:
        raise ModelError(f"rope_parameters: {strange[0]} is not supported")
    kind, fields = SCALINGS[name]
    scaling = {ours: table.get(theirs) for ours, theirs in fields.items()}
    if "original_context" in scaling:
        scaling["original_context"] = scaling["original_context"] or config.get("max_position_embeddings")
    if missing := [fields[ours] for ours, value in scaling.items() if value is None and fields[ours] in REQUIRED]:
        raise ModelError(f"rope_parameters: {name} needs {missing[0]}, which is not given")
    given = {ours: value for ours, value in scaling.items() if value is not None}
    return parse(RoPE, {"theta": theta or 10000.0, "scaling": {"kind": kind.kind, **given}}, "rope_parameters")


def write_rope(rope: RoPE) -> Tree:
    """RoPE in both spellings."""
    name = next((name for name, (kind, _) in SCALINGS.items() if type(rope.scaling) is kind), None)
    if name is None:
        raise ModelError(f"position.scaling: {rope.scaling.kind} has no name in config.json")
    values = {theirs: getattr(rope.scaling, ours) for ours, theirs in SCALINGS[name][1].items() if theirs}
    table = {"rope_type": name, **{theirs: value for theirs, value in values.items() if value is not None}}
    return {
        "rope_theta": rope.theta,
        "rope_scaling": None if name == "default" else table,
        "rope_parameters": {"rope_theta": rope.theta, **table},
    }


def write_ids(vocabulary: Vocabulary | None) -> Tree:
    """The control ids; without a tokenizer they are null, so that no reader falls back to ids of its own."""
    if vocabulary is None:
        return {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    return {"bos_token_id": vocabulary.bos, "eos_token_id": vocabulary.eos, "pad_token_id": vocabulary.pad}
