"""RoPE in config.json: one for all layers, or one for each word of `layer_types`.

Transformers 5 reads `rope_parameters`, version 4 `rope_theta` and `rope_scaling`; we write both and read either.
"""

from collections.abc import Mapping
from typing import Any

from trivium.base.config import parse
from trivium.base.errors import ModelError
from trivium.interop.keys import Entry, Ours, Tree
from trivium.interop.layers import FULL, Word, read_types, tile, write_types
from trivium.model.layer.position import RoPE
from trivium.model.layer.scaling import Dynamic, Linear, Llama3, NoScaling, Scaling, YaRN

SCALINGS: dict[str, type[Scaling]] = {"default": NoScaling}
SCALINGS |= {kind.kind: kind for kind in (Linear, Dynamic, YaRN, Llama3)}
"""Their rope_type -> our kind."""
RENAMED = {
    "low_frequency_factor": "low_freq_factor",
    "high_frequency_factor": "high_freq_factor",
    "original_context": "original_max_position_embeddings",
}
"""Our fields that they call otherwise."""
REQUIRED = {"factor", "low_freq_factor", "high_freq_factor"}


def _fields(kind: type[Scaling]) -> dict[str, str]:
    """Return our fields of a scaling with their names; the original context of `dynamic` is always the context."""
    names = {field: RENAMED.get(field, field) for field in kind.model_fields}
    return names | {"original_context": ""} if kind is Dynamic else names


KNOWN = {name for kind in SCALINGS.values() for name in _fields(kind).values()}


def read_rope(config: Mapping[str, Any], theta: float = 10000.0, partial: bool = False) -> RoPE:
    """Return the RoPE of either spelling.

    `theta` is the base that the stock class takes if none is given, `partial` whether it can turn a part of each
    head. A ModelError names the setting that we do not support.
    """
    table = {**(config.get("rope_parameters") or {}), **(config.get("rope_scaling") or {})}
    table = {"rope_theta": config.get("rope_theta"), **table}
    fraction = table.pop("partial_rotary_factor", config.get("partial_rotary_factor"))
    if fraction not in (None, 1) and not partial:
        raise ModelError(f"partial_rotary_factor: {fraction} is not supported here, expected 1.0")
    base, old, new = table.pop("rope_theta"), table.pop("type", None), table.pop("rope_type", None)
    if (name := new or old or "default") not in SCALINGS:
        raise ModelError(f"rope_parameters: rope_type {name!r} is not supported; known: {', '.join(SCALINGS)}")
    if strange := [key for key in table if key not in KNOWN]:
        raise ModelError(f"rope_parameters: {strange[0]} is not supported")
    kind, fields = SCALINGS[name], _fields(SCALINGS[name])
    scaling = {ours: table.get(theirs) for ours, theirs in fields.items()}
    if "original_context" in scaling:
        scaling["original_context"] = scaling["original_context"] or config.get("max_position_embeddings")
    if missing := [fields[ours] for ours, value in scaling.items() if value is None and fields[ours] in REQUIRED]:
        raise ModelError(f"rope_parameters: {name} needs {missing[0]}, which is not given")
    given = {ours: value for ours, value in scaling.items() if value is not None}
    tree = {"theta": base or theta, "fraction": fraction or 1.0, "scaling": {"kind": kind.kind, **given}}
    return parse(RoPE, tree, "rope_parameters")


def write_rope(rope: RoPE) -> Tree:
    """Return a RoPE in both spellings."""
    name = next((name for name, kind in SCALINGS.items() if type(rope.scaling) is kind), None)
    if name is None:
        raise ModelError(f"position.scaling: {rope.scaling.kind} has no name in config.json")
    values = {theirs: getattr(rope.scaling, ours) for ours, theirs in _fields(SCALINGS[name]).items() if theirs}
    table = {"rope_type": name, **{theirs: value for theirs, value in values.items() if value is not None}}
    return {
        "rope_theta": rope.theta,
        "rope_scaling": None if name == "default" else table,
        "rope_parameters": {"rope_theta": rope.theta, **table},
    }


def rope(theta: float = 10000.0, partial: bool = False) -> Entry:
    """Return the entry of one RoPE for all layers; arguments as in `read_rope`."""

    def write(ours: Ours) -> Tree:
        found = next((position for position in ours.positions if isinstance(position, RoPE)), None)
        if found is None:
            return {}
        tree = write_rope(found)
        if partial:
            tree["rope_parameters"]["partial_rotary_factor"] = tree["partial_rotary_factor"] = found.fraction
        return tree

    keys = ("rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor")
    return Entry(dict.fromkeys(keys), lambda theirs: {"*.position": [read_rope(theirs, theta, partial)]}, write)


def rope_by_type(word: Word, old: Mapping[str, tuple[str, float]], scaled: bool = False) -> Entry:
    """Return the entry of a RoPE for each word of `layer_types`.

    `old` is for each word the key of its base in version 4, and the default base; `scaled` says whether
    `rope_scaling` of version 4 is that of the full layers.
    """

    def read(theirs: Tree) -> Tree:
        ropes = {}
        for name, (key, theta) in old.items():
            table = {
                "rope_theta": theirs[key],
                "rope_parameters": (theirs["rope_parameters"] or {}).get(name),
                "rope_scaling": theirs["rope_scaling"] if scaled and name == FULL else None,
                "max_position_embeddings": theirs["max_position_embeddings"],
            }
            ropes[name] = read_rope(table, theta)
        return {"*.position": tile([ropes[name] for name in read_types(theirs, word)])}

    def write(ours: Ours) -> Tree:
        ropes = {name: RoPE(theta=theta) for name, (_, theta) in old.items()}
        layers = list(zip(write_types(ours), ours.positions, strict=True))
        ropes |= {name: position for name, position in layers[::-1] if isinstance(position, RoPE)}
        said = {name: write_rope(found) for name, found in ropes.items()}
        return {
            "rope_parameters": {name: tree["rope_parameters"] for name, tree in said.items()},
            **{key: ropes[name].theta for name, (key, _) in old.items()},
            **({"rope_scaling": said[FULL]["rope_scaling"]} if scaled else {}),
        }

    return Entry(dict.fromkeys(["rope_parameters", "rope_scaling", *(key for key, _ in old.values())]), read, write)
