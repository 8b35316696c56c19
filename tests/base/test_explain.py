"""Everything that is wrong with a tree is told at once, each problem by its path, with a suggestion."""

from typing import Literal

import pytest
from pydantic import Field

import tiny
from trivium.base.config import Choice, Config, Seq, Tiled, dump, override, parse
from trivium.base.errors import ConfigError
from trivium.base.explain import closest, configs
from trivium.train.recipe import Recipe


class Fruit(Choice):
    """A family of this file."""

    weight: float = 1.0


class Apple(Fruit, kind="hammer"):
    head: int = 3


class Pear(Fruit, kind="saw"):
    blade: float


class Bowl(Config):
    tool: Fruit = Apple()
    tools: Tiled[Fruit] = (Apple(),)
    size: int = 1


class Kitchen(Config):
    box: Bowl
    names: Seq[str] = ()
    floors: int | None = None
    sunny: bool = True
    height: float = 2.5


def wrong(tree, cls=Kitchen, where="house.toml"):
    with pytest.raises(ConfigError) as error:
        parse(cls, tree, where)
    return str(error.value).splitlines()


def wrong_recipe(*words):
    return wrong(override(dump(tiny.recipe()), words), Recipe, "r.toml")


def test_all_errors_are_told_at_once_each_with_its_path():
    tree = {"box": {"tool": {"kind": "hammer", "haed": 4}, "size": "big"}, "floors": 1.5, "sunnny": True}
    assert wrong(tree) == [
        "house.toml: box.tool.haed: unknown key; did you mean 'head'?",
        "house.toml: box.size: expected a whole number, found 'big'",
        "house.toml: floors: expected a whole number, found 1.5",
        "house.toml: sunnny: unknown key; did you mean 'sunny'?",
    ]


class Sizes(Config):
    both: float = Field(0.5, gt=0, le=1)
    maybe: int | None = Field(None, ge=1024)
    free: float = 0.0
    word: Literal["a", "b"] = "a"
    table: dict[str, int] | None = None


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ({"both": 2.0}, "both: expected a number, above 0 and at most 1, found 2.0"),
        ({"both": float("nan")}, "both: expected a number, above 0 and at most 1, found nan"),
        ({"both": "x"}, "both: expected a number, above 0 and at most 1, found 'x'"),
        ({"maybe": 3}, "maybe: expected a whole number, at least 1,024, found 3"),
        ({"maybe": 2.5}, "maybe: expected a whole number, at least 1,024, found 2.5"),
        ({"free": float("inf")}, "free: expected a finite number, found inf"),
        ({"word": "c"}, "word: expected one of 'a' or 'b', found 'c'"),
        ({"table": 3}, "table: expected a table, found 3"),
    ],
)
def test_a_value_is_told_with_its_bounds_in_words_of_our_own(tree, line):
    assert wrong(tree, Sizes) == [f"house.toml: {line}"]


def test_what_is_required_is_asked_for():
    assert wrong({}) == ["house.toml: box: required, and not given"]
    assert wrong({"box": {"tool": "saw"}}) == ["house.toml: box.tool.blade: required, and not given"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("floors", True), ("floors", "2"), ("height", True), ("height", "2"), ("sunny", 1), ("names", "one"), ("box", 3)],
)
def test_a_value_of_another_type_is_refused(key, value):
    (line,) = wrong({"box": {}, key: value})
    assert line.startswith(f"house.toml: {key}: ") and f"found {value!r}" in line


def test_a_key_in_the_wrong_place_is_shown_the_right_one():
    assert wrong({"box": {}, "size": 2}) == ["house.toml: size: unknown key; did you mean 'box.size'?"]
    assert "did you mean 'optim.lr'" in "\n".join(wrong_recipe("lr=0.1"))


def test_typos_deep_in_a_recipe_are_found():
    text = "\n".join(wrong_recipe("optim.weigth_decay=0.1", "model.decoder.layrs=3", "model.decoder.norm.kind=rsm"))
    assert "optim.weigth_decay: unknown key; did you mean 'weight_decay'?" in text
    assert "model.decoder.layrs: unknown key; did you mean 'layers'?" in text
    assert "model.decoder.norm: unknown kind 'rsm'; did you mean 'rms'?" in text


def test_a_problem_in_a_list_has_its_number_and_the_fields_of_its_kind():
    tree = {"box": {"tools": ["hammer", {"kind": "hammer", "haed": 1}]}}
    assert wrong(tree) == ["house.toml: box.tools.1.haed: unknown key; did you mean 'head'?"]


def test_the_closest_word_is_suggested_or_none():
    assert closest("ruby", ["rubi", "topaz"]) == "; did you mean 'rubi'?" and closest("x", ["topaz"]) == ""


def test_the_configs_of_an_annotation_are_found():
    assert list(configs(Bowl | None)) == [Bowl] and list(configs(tuple[Fruit, ...])) == [Fruit]
    assert list(configs(dict[str, int])) == []
