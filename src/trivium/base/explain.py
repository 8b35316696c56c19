"""What is wrong with a tree of configuration, as one line for each problem: the path, the fault and a suggestion.

Takes the problems that pydantic finds; refuses to know any field.
"""

import difflib
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel


def closest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'X'?` for the known word most like this one, or an empty string."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else ""


def configs(annotation: Any) -> Iterator[type[Any]]:
    """Yield the config classes in a type annotation."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
    else:
        for inner in typing.get_args(annotation):
            yield from configs(inner)


def explain(cls: type[BaseModel], tree: Any, problem: Any) -> str:
    """Return one problem of a tree that was read as `cls` as a line."""
    loc = problem["loc"]
    path = ".".join(map(str, loc)) or "(top)"
    if problem["type"] == "extra_forbidden":
        owner = _owner(cls, tree, loc[:-1])
        # The same word at another place is a better guess than a similar word here.
        hint = _elsewhere(cls, str(loc[-1])) or (closest(str(loc[-1]), owner.model_fields) if owner else "")
        return f"{path}: unknown key{hint}"
    if problem["type"] == "missing":
        return f"{path}: required, and not given"
    if problem["type"] == "value_error":
        return f"{path}: {problem['msg'].removeprefix('Value error, ')}"
    return f"{path}: {problem['msg'][:1].lower()}{problem['msg'][1:]}, found {problem['input']!r:.80}"


def _owner(cls: Any, tree: Any, loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the class of the node at `loc`; None where there is no such node."""
    inner = usual = cls
    for key in loc:
        if isinstance(key, str):
            field = cls.model_fields.get(key)
            inner = next(configs(field.annotation), None) if field else None
            if inner is None:
                return None
            usual = type(cls.usual(key, tree))
            tree = tree.get(key) if isinstance(tree, dict) else tree
        elif isinstance(tree, list | tuple):
            tree = tree[key]
        found = inner
        if not getattr(inner, "kind", True):  # a family
            kind = tree.get("kind") if isinstance(tree, dict) else tree
            found = inner.kinds.get(kind, usual) if isinstance(kind, str) else usual
        cls = found if issubclass(found, BaseModel) else inner
    return cls  # type: ignore[no-any-return]


def _elsewhere(cls: type[BaseModel], key: str, path: str = "") -> str:
    """Return a suggestion of the path where a field of this name is, or an empty string."""
    for name, field in cls.model_fields.items():
        for inner in configs(field.annotation):
            default = type(field.default) if isinstance(field.default, BaseModel) else inner
            if key in default.model_fields:
                return f"; did you mean '{path}{name}.{key}'?"
            if found := _elsewhere(default, key, f"{path}{name}."):
                return found
    return ""
