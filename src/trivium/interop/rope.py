"""RoPE in config.json: one for all layers, or one for each word of `layer_types`.

Transformers 5 reads `rope_parameters`, version 4 `rope_theta` and `rope_scaling`; we write both and read either, with
the stock order: `rope_scaling` stands in place of `rope_parameters`, and what stands in the table wins over the same
key beside it, except the original length.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

from trivium.base.config import dump, parse
from trivium.base.errors import ModelError
from trivium.interop.keys import Entry, Ours, Tree
from trivium.interop.layers import FULL, SLIDING, Word, read_types, tile, write_types
from trivium.model.layer.position import RoPE
from trivium.model.layer.scaling import Dynamic, Linear, Llama3, LongRoPE, NoScaling, Scaling, YaRN

SCALINGS: dict[str, type[Scaling]] = {"default": NoScaling}
SCALINGS |= {kind.kind: kind for kind in (Linear, Dynamic, YaRN, Llama3, LongRoPE)}
"""Their rope_type -> our kind."""
OLD, NEW, FRACTION, ORIGINAL = (
    "rope_scaling",
    "rope_parameters",
    "partial_rotary_factor",
    "original_max_position_embeddings",
)
RENAMED = {
    "low_frequency_factor": "low_freq_factor",
    "high_frequency_factor": "high_freq_factor",
    "original_context": ORIGINAL,
}
"""Our fields that they call otherwise."""
REQUIRED = {"factor", "low_freq_factor", "high_freq_factor", "short_factor", "long_factor"}
KEYS = ("rope_theta", OLD, NEW, FRACTION)


def _fields(kind: type[Scaling]) -> dict[str, str]:
    """Return our fields of a scaling with their names; the original context of `dynamic` is always the context."""
    names = {field: RENAMED.get(field, field) for field in kind.model_fields}
    return names | {"original_context": ""} if kind is Dynamic else names


def read_rope(config: Mapping[str, Any], theta: float = 10000.0, partial: bool = False) -> RoPE:
    """Return the RoPE of all layers, of either spelling.

    `theta` is the base that the stock class takes if none is given, `partial` whether it can turn a part of each
    head. A ModelError names the setting that we do not support.
    """
    place = OLD if config.get(OLD) else NEW
    table = _table(config.get(place), place)
    if nested := [name for name, value in table.items() if isinstance(value, dict)]:
        raise ModelError(f"{place}: {nested[0]}: expected one RoPE for all layers")
    beside = {name: config[name] for name in ("rope_theta", FRACTION) if config.get(name) is not None}
    if config.get(ORIGINAL) is not None:
        table[ORIGINAL] = config[ORIGINAL]
    found = _rope({"rope_theta": theta, **beside, **table}, place, config.get("max_position_embeddings"), partial)
    heads, size = config.get("num_attention_heads"), config.get("head_dim")
    if size is None and type(heads) is type(width := config.get("hidden_size")) is int and heads > 0:
        size = width // heads
    if type(size) is int and int(size * found.fraction) % 2:
        raise ModelError(f"head_dim: RoPE turns pairs, and {int(size * found.fraction)} numbers of each head are odd")
    return found


def _table(found: Any, place: str) -> Tree:
    """Return what a key of config.json holds, without nulls."""
    if not isinstance(found, dict | None):
        raise ModelError(f"{place}: expected an object, found {found!r:.80}")
    return {name: value for name, value in (found or {}).items() if value is not None}


def unknown(config: Mapping[str, Any]) -> list[str]:
    """Return the keys inside the tables of a config.json that no kind of scaling has."""
    names = {name for kind in SCALINGS.values() for name in _fields(kind).values()}
    names |= {"rope_theta", "rope_type", "type", FRACTION, ORIGINAL, "mscale", "mscale_all_dim"}
    tables = {place: config[place] for place in (OLD, NEW) if isinstance(config.get(place), dict)}
    inner = {
        f"{place}.{word}": table[word] for place, table in tables.items() for word in (FULL, SLIDING) if word in table
    }
    tables |= {place: table for place, table in inner.items() if isinstance(table, dict)}
    return [
        f"{place}.{name}" for place, table in tables.items() for name in table if name not in names | {FULL, SLIDING}
    ]


def _rope(table: Tree, place: str, context: Any, partial: bool) -> RoPE:
    """Return the RoPE of one table, which stands at `place`."""
    fraction = table.get(FRACTION, 1.0)
    if fraction != 1 and not partial:
        raise ModelError(f"{FRACTION}: {fraction} is not supported here, expected 1.0")
    base = table["rope_theta"]
    if type(base) not in (int, float) or not 1 < base < math.inf:
        raise ModelError(f"rope_theta: expected a number above 1, found {base!r:.80}")
    name = table.get("rope_type", table.get("type", "default"))
    if name not in SCALINGS:
        raise ModelError(f"{place}: rope_type {name!r} is not supported; known: {', '.join(SCALINGS)}")
    kind, fields = SCALINGS[name], _fields(SCALINGS[name])
    scaling = {ours: table.get(theirs) for ours, theirs in fields.items()}
    if "original_context" in scaling:
        scaling["original_context"] = scaling["original_context"] or context
    if (kind is LongRoPE or (kind is YaRN and ORIGINAL in table)) and scaling["original_context"]:
        scaling["factor"] = scaling["factor"] or context / scaling["original_context"]
    if kind is YaRN and scaling["attention_factor"] is None and table.get("mscale") and table.get("mscale_all_dim"):
        scaling["attention_factor"] = _mscale(table, "mscale") / _mscale(table, "mscale_all_dim")
    if missing := [fields[ours] for ours, value in scaling.items() if value is None and fields[ours] in REQUIRED]:
        raise ModelError(f"{place}: {name} needs {missing[0]}, which is not given")
    given = {ours: value for ours, value in scaling.items() if value is not None}
    tree = {"theta": base, "fraction": fraction, "scaling": {"kind": kind.kind, **given}}
    return parse(RoPE, tree, place)


def _mscale(table: Tree, name: str) -> float:
    """Return the factor of sines and cosines that DeepSeek's YaRN has for a key."""
    return float(0.1 * table[name] * math.log(table["factor"]) + 1.0)


def write_rope(rope: RoPE) -> Tree:
    """Return a RoPE in both spellings."""
    name = next((name for name, kind in SCALINGS.items() if type(rope.scaling) is kind), None)
    if name is None:
        raise ModelError(f"position.scaling: {rope.scaling.kind} has no name in config.json")
    values = {theirs: dump(getattr(rope.scaling, ours)) for ours, theirs in _fields(SCALINGS[name]).items() if theirs}
    table = {"rope_type": name, **{theirs: value for theirs, value in values.items() if value is not None}}
    return {
        "rope_theta": rope.theta,
        OLD: None if name == "default" else table,
        NEW: {"rope_theta": rope.theta, **table},
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

    return Entry(
        dict.fromkeys([*KEYS, ORIGINAL]), lambda theirs: {"*.position": [read_rope(theirs, theta, partial)]}, write
    )


def rope_by_type(word: Word, old: Mapping[str, tuple[str, float]], scaled: Collection[str] = ()) -> Entry:
    """Return the entry of a RoPE for each word of `layer_types`.

    `old` is for each word the key of its base in version 4, and the default base; `scaled` are the words of the
    layers that `rope_scaling` of version 4 is for.
    """

    def read(theirs: Tree) -> Tree:
        tables, more = _table(theirs[NEW], NEW), _table(theirs[OLD], OLD)
        if "type" in more and "rope_type" not in more:
            raise ModelError(f"{OLD}: type {more['type']!r}: versions 4 and 5 disagree on it here; write rope_type")
        ropes = {}
        for name, (key, theta) in old.items():
            base = theta if theirs[key] is None else theirs[key]
            table = _table(tables.get(name), f"{NEW}: {name}") | (more if name in scaled else {})
            table.pop("truncate", None)  # the stock classes look for it beside the tables
            place = OLD if more and name in scaled else f"{NEW}: {name}"
            ropes[name] = _rope({"rope_theta": base, **table}, place, theirs["max_position_embeddings"], False)
        return {"*.position": tile([ropes[name] for name in read_types(theirs, word)])}

    def write(ours: Ours) -> Tree:
        ropes = {name: RoPE(theta=theta) for name, (_, theta) in old.items()}
        layers = list(zip(write_types(ours), ours.positions, strict=True))
        ropes |= {name: position for name, position in layers[::-1] if isinstance(position, RoPE)}
        said = {name: write_rope(found) for name, found in ropes.items()}
        return {
            NEW: {name: tree[NEW] for name, tree in said.items()},
            **{key: ropes[name].theta for name, (key, _) in old.items()},
            **({OLD: said[FULL][OLD]} if scaled == {FULL} else {}),
        }

    return Entry(dict.fromkeys([NEW, OLD, *(key for key, _ in old.values())]), read, write)
