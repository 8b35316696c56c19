"""Configuration: one frozen, strict tree of everything a person may choose, and the families of its choices.

A direct subclass of `Choice` opens a family. A class joins it in its own file when it names its kind:

    class Norm(Choice): ...
    class RMSNorm(Norm, kind="rms"):
        eps: float = 1e-6

No enum, no elif and no list of names: `Norm.kinds` holds the classes that joined. A tree writes a kind as `"rms"` or
`{"kind": "rms", "eps": 1e-5}`. Unknown keys, wrong types and unknown kinds are errors; one ConfigError lists them all,
each with its dotted path and a suggestion.
"""

import re
import tomllib
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import core_schema

from trivium.base.errors import ConfigError, told
from trivium.base.explain import bounds, closest, configs, explain

T = TypeVar("T")


def as_tuple(value: Any) -> Any:
    """Return a list as a tuple, and everything else as it is: files have lists only."""
    return tuple(value) if isinstance(value, list) else value


Seq = Annotated[tuple[T, ...], BeforeValidator(as_tuple)]
"""A tuple; files write it as a list."""

TILED = BeforeValidator(lambda value: tuple(value) if isinstance(value, list | tuple) else (value,))
Tiled = Annotated[tuple[T, ...], TILED]
"""One value or several, such as those tiled over the layers of a stack: `"causal"` or `["window", "causal"]`."""


class Unset(Enum):
    """What `~key` puts in a tree: None where the field may be None, else the default of the field."""

    VALUE = "~"

    def __bool__(self) -> bool:
        return False


class Config(BaseModel):
    """A frozen node of the tree. Subclasses declare fields; derived values are properties."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    renamed: ClassVar[Mapping[str, str]] = {}
    """Field names in files of older versions, and the names of today."""

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, data: Any) -> Any:
        """Read `{eps = 1e-5}` as the default kind with another eps, and 1e9 as an int where an int is expected."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for old, new in cls.renamed.items():
            if old in data and new not in data:
                data[new] = data.pop(old)
        for name, value in [*data.items()]:
            field = cls.model_fields.get(name)
            if field is None:
                continue
            if value is Unset.VALUE:
                del data[name]
                if type(None) in typing.get_args(field.annotation):
                    data[name] = None
            elif isinstance(value, dict) and "kind" not in value and (usual := cls.usual(name, data)) is not None:
                data[name] = merge(dump(usual), value)
            elif isinstance(value, float) and value.is_integer() and field.annotation in (int, int | None):
                data[name] = int(value)
        return data

    @classmethod
    def usual(cls, name: str, tree: Mapping[str, Any]) -> "Choice | None":
        """Return the choice that a table without a kind changes in this field (its default), or None."""
        default = cls.model_fields[name].default
        return default if isinstance(default, Choice) else None

    def replace(self, **changes: Any) -> Self:
        """Return the node with some fields changed, validated again."""
        return type(self).model_validate({**{name: getattr(self, name) for name in type(self).model_fields}, **changes})


class Choice(Config):
    """A family of kinds (a direct subclass) or a kind of one (a subclass of that with `kind`)."""

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
    def modern(cls, table: dict[str, Any]) -> dict[str, Any]:
        """Return the table of a kind of this family as it is written today; a family that changed overrides it."""
        return table

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        if cls.kind:
            return handler(source)
        return core_schema.no_info_plain_validator_function(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: core_schema.CoreSchema, handler: Any) -> dict[str, Any]:
        return handler(core) if cls.kind else {"x-family": cls.__name__}  # type: ignore[no-any-return]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Return the kind for a name, a table or an instance."""
        if isinstance(value, cls):
            return value
        table = {"kind": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or not isinstance(table.get("kind"), str):
            raise ValueError(f"expected a kind ({', '.join(cls.kinds)}) or a table with one, found {value!r}")
        table = dict(cls.modern(table))
        kind = cls.kinds.get(name := table.pop("kind"))
        if kind is None:
            known = ", ".join(sorted(cls.kinds))
            raise ValueError(f"unknown kind '{name}'{closest(name, cls.kinds)}; known: {known}")
        return kind.model_validate(table)


def dump(value: Any) -> Any:
    """Return a config as plain data, kinds by name: files hold this, and `parse` reads it back."""
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
    """Return the tree `below` with the keys of `above` in it. A new kind drops the fields of the old one."""
    if not isinstance(above, dict):
        return above
    if isinstance(below, str):
        below = {"kind": below}
    if not isinstance(below, dict):
        below = {}
    if "kind" in above and above["kind"] != below.get("kind"):
        below = {}
    return {**below, **{key: merge(below.get(key), value) for key, value in above.items()}}


Lay = Callable[[Any, Any], Any]
"""A function that lays a tree over another, such as `merge`."""


def read_toml(path: str | Path, lay: Lay = merge) -> dict[str, Any]:
    """Read a TOML file, and `lay` it over the file that its key `base` names (relative to it), if any.

    Raise ConfigError where a file cannot be read, is no TOML, or a base has a base.
    """
    path = Path(path)

    def read(file: Path) -> dict[str, Any]:
        if file.exists() and not (file.is_file() or file.is_fifo()):
            raise ConfigError(f"{file}: expected a recipe (a TOML file), found a folder or a device")
        try:
            return tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as missing:
            there = file.with_name(f"{file.name}.toml")
            todo = f"did you mean {there}?" if there.is_file() else "`trivium recipes` lists and copies ours"
            raise ConfigError(f"{file}: no such recipe; {todo}") from missing
        except (ValueError, RecursionError) as broken:  # a number may have more digits than Python reads
            raise ConfigError(f"{file}: not a TOML file: {told(broken)}") from broken
        except OSError as failed:
            raise ConfigError(f"{file}: cannot read: {failed.strerror or failed}") from failed

    tree = read(path)
    if (base := tree.pop("base", None)) is None:
        return tree
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base: expected the name of a TOML file, found {base!r}")
    below = read(path.parent / base)
    if "base" in below:
        raise ConfigError(f"{path}: its base {base} has a base itself; expected one level")
    return lay(below, tree)  # type: ignore[no-any-return]


def override(tree: dict[str, Any], overrides: Iterable[str], lay: Lay = merge) -> dict[str, Any]:
    """Return a tree with overrides in it, laid over it one by one.

    `key=value` has a dotted key and a TOML value, anything else is a string; `~key` unsets a field.
    """
    for one in overrides:
        unset = one.startswith("~")
        path, equals, text = one.removeprefix("~").partition("=")
        if not path or unset == bool(equals):
            raise ConfigError(f"{one!r}: expected an override key=value, such as optim.lr=3e-4, or '~key'")
        value = Unset.VALUE if unset else _value(text)
        for key in reversed(path.strip().split(".")):
            value = {key: value}
        tree = lay(tree, value)
    return tree


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # no TOML, or a number of more digits than Python reads
        return text


def parse(cls: type[T], tree: dict[str, Any], where: str = "config") -> T:
    """Return the config of a plain tree, or raise one ConfigError with a line for each problem; `where` begins each."""
    assert issubclass(cls, Config)
    try:
        return cls.model_validate(tree)  # type: ignore[return-value]
    except ValidationError as error:
        lines = [f"{where}: {explain(cls, tree, problem)}" for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None


class Key(NamedTuple):
    """What can be said of a field without setting it."""

    path: str
    type: str
    default: str
    bounds: str
    """The bounds of a number in words."""
    about: str
    """Its docstring."""


def fields(cls: type[Config], path: str = "") -> Iterator[Key]:
    """Yield every field under a dotted path, the fields of each kind of a family included."""
    for key in filter(None, path.split(".")):
        annotation = cls.model_fields[key].annotation if key in cls.model_fields else None
        inner = next(iter(configs(annotation)), None)
        if inner is None:
            raise ConfigError(f"{path}: no such key{closest(key, cls.model_fields)}")
        cls = inner
    variants = {f"{{kind={name}}}": kind for name, kind in cls.kinds.items()} if issubclass(cls, Choice) else {"": cls}
    for label, variant in variants.items():
        if label:
            yield Key(f"{path} {label}", "kind", "", "", _line(variant.__doc__).split(". ")[0])
        for name, field in variant.model_fields.items():
            usual = field.get_default(call_default_factory=True)
            default = usual.kind if isinstance(usual, Choice) else str(dump(usual))
            default = "required" if field.is_required() else default
            where = ".".join(filter(None, [path, name]))
            yield Key(where, _type_name(field.annotation), default, bounds(field), _line(field.description))


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    return re.sub(r"\b(typing|trivium(\.\w+)*)\.", "", str(annotation))
