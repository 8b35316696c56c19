"""What is wrong with a tree of configuration, as one line for each problem: the path, the fault and a suggestion.

Takes the problems that pydantic finds, and tells them in words of its own; refuses to know any field.
"""

import difflib
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

TYPES: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
WORDS = {
    "missing": "required, and not given",
    "int": "expected a whole number",
    "float": "expected a number",
    "finite_number": "expected a finite number",
    "bool": "expected true or false",
    "string": "expected a text",
    "literal": "expected one of {expected}",
    "greater_than": "expected a number above {gt}",
    "greater_than_equal": "expected a number of at least {ge}",
    "less_than": "expected a number below {lt}",
    "less_than_equal": "expected a number of at most {le}",
    "too_short": "expected {min_length} or more entries",
    "too_long": "expected {max_length} or fewer entries",
    "extra_forbidden": "unknown key",
    "value_error": "{error}",
    **dict.fromkeys(("tuple", "list", "iterable", "set"), "expected a list"),
    **dict.fromkeys(("dict", "mapping", "model", "dataclass", "is"), "expected a table"),
}
"""The type of a problem, or its first word -> the problem."""


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


def worded(problem: Any) -> str:
    """Return what is wrong with one value, without the place and what was found."""
    kind = problem["type"]
    words = WORDS.get(kind) or WORDS.get(kind.partition("_")[0], "expected another value")
    return words.format(**problem.get("ctx", {}))


def bounds(field: FieldInfo) -> str:
    """Return the bounds of a field in words, such as `above 0 and at most 1`; an empty string where it has none."""
    found = [(name, getattr(one, name)) for one in field.metadata for name in BOUNDS if hasattr(one, name)]
    return " and ".join(f"{BOUNDS[name]} {value:,}" for name, value in found)


def explain(cls: type[BaseModel], tree: Any, problem: Any) -> str:
    """Return one problem of a tree that was read as `cls` as a line."""
    loc = problem["loc"]
    path = ".".join(map(str, loc)) or "(top)"
    message = worded(problem)
    if problem["type"] in ("missing", "value_error"):
        return f"{path}: {message}"
    owner = _owner(cls, tree, loc[:-1])
    if problem["type"] == "extra_forbidden":
        # The same word at another place is a better guess than a similar word here.
        hint = _elsewhere(cls, str(loc[-1])) or (closest(str(loc[-1]), owner.model_fields) if owner else "")
        return f"{path}: {message}{hint}"
    field = owner.model_fields.get(str(loc[-1])) if owner and loc else None
    if field is not None and (limits := bounds(field)):
        kind = next((TYPES[one] for one in (field.annotation, *typing.get_args(field.annotation)) if one in TYPES), "")
        message = f"expected {kind}, {limits}"
    return f"{path}: {message}, found {problem['input']!r:.80}"


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
