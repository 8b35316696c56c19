"""A field of a configuration that nothing reads is a promise that is not kept: every field is read somewhere."""

import ast
import importlib
import pkgutil
import typing
from pathlib import Path

import pytest

import trivium
from trivium.base.config import Choice, Config
from trivium.base.explain import bounds
from trivium.base.explain import configs as inside
from trivium.model.config import ModelConfig
from trivium.model.stack import StackConfig
from trivium.train.loss.loss import Loss
from trivium.train.optim.optim import Optim
from trivium.train.recipe import DataConfig, Recipe
from trivium.train.track.tracker import Tracker

SRC = Path(trivium.__file__).parent


def below(cls: type) -> set[type]:
    return {cls, *(inner for child in cls.__subclasses__() for inner in below(child))}


def configs() -> list[type[Config]]:
    """Every config class of the house."""
    for module in pkgutil.walk_packages([str(SRC)], "trivium."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return [cls for cls in below(Config) - {Config, Choice} if cls.__module__.startswith("trivium.")]


def seen(tree: ast.AST) -> tuple[set[str], set[str]]:
    """The attributes (or keys of a dump) that a file reads, and every name in it."""
    reads, names = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            reads.add(node.attr)
            names.add(node.attr)
        elif isinstance(node, ast.MatchClass):
            reads.update(node.kwd_attrs)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".get", "getattr")):
            reads.update(str(word.value) for word in node.args if isinstance(word, ast.Constant))
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
    return reads, names


def unread(cls: type[Config], every: list[type[Config]], files: list[tuple[set[str], set[str]]]) -> list[str]:
    """The fields of a class that no file reads which knows the class, its family or a config that holds one of them."""
    carriers = {*below(cls), *(base for base in cls.__mro__ if issubclass(base, Config) and base is not Config)}
    while more := [
        other
        for other in every
        if other not in carriers
        and any(inner in carriers for field in other.model_fields.values() for inner in inside(field.annotation))
    ]:
        carriers.update(more)
    known = {carrier.__name__ for carrier in carriers}
    return [name for name in cls.model_fields if not any(name in reads and names & known for reads, names in files)]


def test_every_field_is_read():
    every = configs()
    files = [seen(ast.parse(path.read_text(encoding="utf-8"))) for path in SRC.rglob("*.py")]
    assert len(every) > 80
    found = {f"{cls.__module__}.{cls.__name__}": left for cls in every if (left := unread(cls, every, files))}
    assert not found


def test_a_field_that_nothing_reads_is_found():
    class Knob(Config):
        turns: int = 1
        unturned: int = 2

    class Board(Config):
        knob: Knob = Knob()

    source = "def total(board: Board):\n    return board.knob.turns"
    assert unread(Knob, [Knob, Board], [seen(ast.parse(source))]) == ["unturned"]
    stranger = "def total(other):\n    return other.turns + other.unturned"
    assert unread(Knob, [Knob, Board], [seen(ast.parse(stranger))]) == ["turns", "unturned"]


INSIDE = {"AttentionConfig", "Labelled", "LabelledText", "LabelledPicture", "TextGroup", "Squad"}
"""Configs that nobody writes by hand: what a layer is built from, and rows, whose labels may be any number."""


def test_every_number_has_bounds():
    """What has none takes -5 or 1e300, and fails later, or does nothing, in silence."""
    numbers = [
        (f"{cls.__name__}.{name}", bounds(field))
        for cls in configs()
        if cls.__name__ not in INSIDE
        for name, field in cls.model_fields.items()
        if {int, float} & {field.annotation, *typing.get_args(field.annotation)}
        and typing.get_origin(field.annotation) is not tuple
    ]
    assert len(numbers) > 100
    assert not [name for name, limits in numbers if not limits]


@pytest.mark.parametrize(
    "cls",
    [
        Recipe,
        DataConfig,
        ModelConfig,
        StackConfig,
        *Loss.kinds.values(),
        *Optim.kinds.values(),
        *Tracker.kinds.values(),
    ],
)
def test_every_field_of_a_run_says_what_it_is_for(cls):
    assert not [name for name, field in cls.model_fields.items() if not field.description]
