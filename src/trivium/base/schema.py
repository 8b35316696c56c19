"""The JSON schema of a config: what an editor needs to complete and check a file, own kinds included."""

from typing import Any

from trivium.base.config import TILED, Choice, Config, dump
from trivium.base.explain import configs

FAMILY = "x-family"
"""Stands for a family of kinds in what pydantic writes, until `schema` puts a reference in its place."""


def schema(cls: type[Config]) -> dict[str, Any]:
    """Return the JSON schema (2020-12) of the files that are read as `cls`; nothing in a file is required."""
    definitions: dict[str, Any] = {}
    _define(cls, definitions)
    top = definitions.pop(cls.__name__)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": definitions}


def _define(cls: type[Config], definitions: dict[str, Any]) -> None:
    """Add the definition of a class and of all that its fields hold."""
    if cls.__name__ in definitions:
        return
    made: dict[str, Any] = {}
    definitions[cls.__name__] = made  # first, because a kind may hold its own family
    if issubclass(cls, Choice) and not cls.kind:
        kinds = sorted(cls.kinds.items())
        made["anyOf"] = [{"enum": [name for name, _ in kinds]}, *(_reference(kind) for _, kind in kinds)]
        inside = [kind for _, kind in kinds]
    else:
        made |= _linked(cls.model_json_schema())
        made.pop("$defs", None)
        made.pop("required", None)
        properties = made.setdefault("properties", {})
        for name, field in cls.model_fields.items():
            if not field.is_required():
                properties[name]["default"] = dump(field.get_default(call_default_factory=True))
            if any(one is TILED for one in field.metadata):
                several = {key: properties[name].pop(key) for key in ("type", "items") if key in properties[name]}
                properties[name]["anyOf"] = [several["items"], several]
        if issubclass(cls, Choice):
            made["properties"] = {"kind": {"const": cls.kind}, **properties}
        inside = [one for field in cls.model_fields.values() for one in configs(field.annotation)]
    for one in inside:
        _define(one, definitions)


def _reference(cls: type[Config]) -> dict[str, str]:
    return {"$ref": f"#/$defs/{cls.__name__}"}


def _linked(tree: Any) -> Any:
    """Return a tree with a reference in place of the name of each family."""
    if isinstance(tree, list):
        return [_linked(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    linked = {key: _linked(value) for key, value in tree.items() if key != FAMILY}
    return {"$ref": f"#/$defs/{tree[FAMILY]}", **linked} if FAMILY in tree else linked
