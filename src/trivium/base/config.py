"""One frozen, strict tree for everything a person may choose, and the families its choices belong to.

A family is opened by subclassing `Choice`; a class joins it in its own file by naming its kind:

    class Norm(Choice): ...
    class RMS(Norm, kind="rms"):
        eps: float = 1e-6

There is no enum, no elif and no list of names anywhere: `Norm.kinds` is what has joined. In a tree a kind is
written `"rms"` or `{"kind": "rms", "eps": 1e-5}`. Unknown keys, wrong types and unknown kinds are errors, all of
them told at once, each with its dotted path and a "did you mean".
"""

import difflib
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import PydanticCustomError, core_schema

from trivium.base.errors import ConfigError

T = TypeVar("T")


def as_tuple(value: Any) -> Any:
    """Return a list as a tuple, and everything else as it is: files have lists only."""
    return tuple(value) if isinstance(value, list) else value


Seq = Annotated[tuple[T, ...], BeforeValidator(as_tuple)]
"""A tuple that a list in a file may fill."""

Tiled = Annotated[
    tuple[T, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list | tuple) else (value,))
]
"""One value or several, repeated over the layers of a stack: `"causal"` or `["window", "window", "causal"]`."""


class Config(BaseModel):
    """A frozen node of the tree. Subclasses declare fields; derived values are properties, never stored."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    renamed: ClassVar[Mapping[str, str]] = {}
    """The names of fields in files of older versions, and today's."""

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, data: Any) -> Any:
        """Let `{eps = 1e-5}` mean the default kind with another eps, and 1e9 stand for a whole number."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for old, new in cls.renamed.items():
            if old in data and new not in data:
                data[new] = data.pop(old)
        for name, value in data.items():
            field = cls.model_fields.get(name)
            if field is None:
                continue
            if isinstance(value, dict) and "kind" not in value and (usual := cls.usual(name, data)) is not None:
                data[name] = merge(dump(usual), value)
            elif isinstance(value, float) and value.is_integer() and field.annotation in (int, int | None):
                data[name] = int(value)
        return data

    @classmethod
    def usual(cls, name: str, tree: Mapping[str, Any]) -> "Choice | None":
        """Return what a table without a kind changes in this field, which is its default; None if it has none."""
        default = cls.model_fields[name].default
        return default if isinstance(default, Choice) else None

    def replace(self, **changes: Any) -> Self:
        """The same node with some fields changed, validated again."""
        return type(self).model_validate({**{name: getattr(self, name) for name in type(self).model_fields}, **changes})


class Choice(Config):
    """A family of kinds (its direct subclasses open one) or a kind that has joined one."""

    kinds: ClassVar[dict[str, type[Self]]]  # type: ignore[misc]
    kind: ClassVar[str] = ""

    def __init_subclass__(cls, kind: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Choice in cls.__bases__:
            cls.kinds = {}
        elif kind:
            known = cls.kinds.get(kind)
            assert known is None or known.__qualname__ == cls.__qualname__, f"kind {kind!r} is taken by {known}"
            cls.kind = kind
            cls.kinds[kind] = cls  # type: ignore[assignment]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        if cls.kind:
            return handler(source)
        return core_schema.no_info_plain_validator_function(cls.parse)

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Make the kind that a name, a table or an instance stands for."""
        if isinstance(value, cls):
            return value
        table = {"kind": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or not isinstance(table.get("kind"), str):
            raise PydanticCustomError(
                "kind",
                "expected a kind ({known}) or a table with one, found {found}",
                {"known": ", ".join(cls.kinds), "found": repr(value)},
            )
        table = dict(table)
        kind = cls.kinds.get(name := table.pop("kind"))
        if kind is None:
            hint = _closest(name, cls.kinds)
            raise PydanticCustomError(
                "kind",
                "unknown kind '{name}'{hint}; known: {known}",
                {"name": name, "hint": hint, "known": ", ".join(sorted(cls.kinds))},
            )
        return kind.model_validate(table)


def dump(value: Any) -> Any:
    """A config as plain data, kinds by name: what files hold and `parse` reads back."""
    if isinstance(value, Config):
        fields = {name: dump(getattr(value, name)) for name in type(value).model_fields}
        return {"kind": value.kind, **fields} if isinstance(value, Choice) else fields
    if isinstance(value, tuple | list):
        return [dump(item) for item in value]
    if isinstance(value, dict):
        return {key: dump(item) for key, item in value.items()}
    return value


def classes(value: Any) -> Iterator[type[Config]]:
    """Yield the class of every node of a config."""
    if isinstance(value, Config):
        yield type(value)
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        for item in value:
            yield from classes(item)


def merge(below: Any, above: Any) -> Any:
    """Lay one tree over another, key by key. Changing a kind drops the fields of the old one."""
    if not isinstance(above, dict):
        return above
    if isinstance(below, str):
        below = {"kind": below}
    if not isinstance(below, dict):
        below = {}
    if "kind" in above and above["kind"] != below.get("kind"):
        below = {}
    return {**below, **{key: merge(below.get(key), value) for key, value in above.items()}}


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file and the one `base = "other.toml"` it may stand on."""
    path = Path(path)

    def read(file: Path) -> dict[str, Any]:
        try:
            return tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as missing:
            raise ConfigError(f"{file}: no such recipe") from missing
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as broken:
            raise ConfigError(f"{file}: not a TOML file: {broken}") from broken
        except OSError as failed:
            raise ConfigError(f"{file}: cannot read: {failed.strerror or failed}") from failed

    tree = read(path)
    if (base := tree.pop("base", None)) is None:
        return tree
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base: expected the name of a TOML file, found {base!r}")
    below = read(path.parent / base)
    if "base" in below:
        raise ConfigError(f"{path}: its base {base} has a base itself; one level is all there is")
    return merge(below, tree)


def override(tree: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Lay `key=value` overrides over a tree: dotted keys, TOML values, anything else as a string."""
    for one in overrides:
        path, equals, text = one.partition("=")
        if not equals or not path:
            raise ConfigError(f"{one!r}: expected an override key=value, such as optim.lr=3e-4")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        for key in reversed(path.strip().split(".")):
            value = {key: value}
        tree = merge(tree, value)
    return tree


def parse(cls: type[T], tree: dict[str, Any], where: str = "config") -> T:
    """Make a config of a plain tree, or raise one ConfigError that lists everything wrong with it."""
    assert issubclass(cls, Config)
    try:
        return cls.model_validate(tree)  # type: ignore[return-value]
    except ValidationError as error:
        lines = [f"{where}: {_explain(cls, tree, problem)}" for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None


def fields(cls: type[Config], path: str = "") -> Iterator[tuple[str, str, str]]:
    """Every field under a dotted path as (path, type, default), kinds of a family included."""
    for key in filter(None, path.split(".")):
        annotation = cls.model_fields[key].annotation if key in cls.model_fields else None
        inner = next(iter(_configs(annotation)), None)
        if inner is None:
            raise ConfigError(f"{path}: no such key{_closest(key, cls.model_fields)}")
        cls = inner
    variants = {f"{{kind={name}}}": kind for name, kind in cls.kinds.items()} if issubclass(cls, Choice) else {"": cls}
    for label, variant in variants.items():
        if label:
            yield f"{path} {label}", "kind", (variant.__doc__ or "").strip().split("\n")[0]
        for name, field in variant.model_fields.items():
            default = "required" if field.is_required() else str(dump(field.get_default(call_default_factory=True)))
            yield ".".join(filter(None, [path, name])), _type_name(field.annotation), default


def _closest(word: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else ""


def _configs(annotation: Any) -> Iterator[type[Config]]:
    """The config classes an annotation mentions."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, Config):
            yield annotation
    else:
        for inner in typing.get_args(annotation):
            yield from _configs(inner)


def _owner(cls: Any, tree: Any, loc: tuple[int | str, ...]) -> type[Config] | None:
    """Return the class of the node at `loc`; None where there is no such node."""
    for key in loc:
        usual = cls.usual(key, tree) if isinstance(key, str) and key in cls.model_fields else None
        if isinstance(tree, list | tuple | dict):
            tree = (
                tree[key]
                if isinstance(key, int) and isinstance(tree, list | tuple)
                else (tree.get(key) if isinstance(tree, dict) else tree)
            )
        if isinstance(key, int):
            continue
        field = cls.model_fields.get(key)
        inner: Any = next(iter(_configs(field.annotation)), None) if field else None
        if field is None or inner is None:
            return None
        kind = tree.get("kind") if isinstance(tree, dict) else tree
        if issubclass(inner, Choice) and not inner.kind:
            inner = inner.kinds.get(kind, type(usual)) if isinstance(kind, str) else type(usual)
        cls = inner if isinstance(inner, type) and issubclass(inner, Config) else cls
    return cls  # type: ignore[no-any-return]


def _explain(cls: type[Config], tree: Any, problem: Any) -> str:
    loc = problem["loc"]
    path = ".".join(map(str, loc)) or "(top)"
    if problem["type"] == "extra_forbidden":
        owner = _owner(cls, tree, loc[:-1])
        # The very word elsewhere is likelier than a word like it here.
        hint = _elsewhere(cls, str(loc[-1])) or (_closest(str(loc[-1]), owner.model_fields) if owner else "")
        return f"{path}: unknown key{hint}"
    if problem["type"] == "missing":
        return f"{path}: required, and not given"
    if problem["type"] in ("kind", "value_error"):
        return f"{path}: {problem['msg'].removeprefix('Value error, ')}"
    return f"{path}: {problem['msg'][:1].lower()}{problem['msg'][1:]}, found {problem['input']!r:.80}"


def _elsewhere(cls: type[Config], key: str, path: str = "") -> str:
    """Where in the tree a key that stands in the wrong place belongs."""
    for name, field in cls.model_fields.items():
        for inner in _configs(field.annotation):
            default = type(field.default) if isinstance(field.default, Config) else inner
            if key in default.model_fields:
                return f"; did you mean '{path}{name}.{key}'?"
            if found := _elsewhere(default, key, f"{path}{name}."):
                return found
    return ""


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("trivium.", "")
