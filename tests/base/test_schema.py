"""The JSON schema says of every field and kind what the configs say."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

import tiny
from trivium.base.config import dump
from trivium.base.schema import schema
from trivium.train.recipe import Recipe
from trivium.train.schedule import Schedule

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return schema(Recipe)


def fits(value: Any, tree: dict[str, Any], top: dict[str, Any]) -> bool:
    """A validator of the few words that our schemas use; an unknown word is an error."""
    for word, said in tree.items():
        match word:
            case "$schema" | "$defs" | "title" | "description" | "default" | "additionalProperties" | "items":
                continue
            case "$ref":
                good = fits(value, top["$defs"][said.removeprefix("#/$defs/")], top)
            case "anyOf":
                good = any(fits(value, one, top) for one in said)
            case "enum":
                good = value in said
            case "const":
                good = value == said
            case "type":
                kinds: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool}
                kinds |= {"number": (int, float), "integer": int, "null": type(None)}
                good = isinstance(value, kinds[said]) and (said == "boolean" or not isinstance(value, bool))
            case "minimum":
                good = not isinstance(value, int | float) or value >= said
            case "maximum":
                good = not isinstance(value, int | float) or value <= said
            case "exclusiveMinimum":
                good = not isinstance(value, int | float) or value > said
            case "exclusiveMaximum":
                good = not isinstance(value, int | float) or value < said
            case "maxItems":
                good = not isinstance(value, list) or len(value) <= said
            case "minItems":
                good = not isinstance(value, list) or len(value) >= said
            case "properties":
                closed = tree.get("additionalProperties") is False
                good = not isinstance(value, dict) or all(
                    fits(inner, said[key], top) if key in said else not closed for key, inner in value.items()
                )
            case _:
                raise AssertionError(word)
        if not good:
            return False
    return not isinstance(value, list) or all(fits(one, tree.get("items", {}), top) for one in value)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_fits(path, made):
    assert fits(tomllib.loads(path.read_text(encoding="utf-8")), made, made)


def test_the_resolved_tree_of_a_recipe_fits(made):
    assert fits(dump(tiny.recipe(model={"preset": "t5", "depth": 1, "vocab_size": 384})), made, made)


@pytest.mark.parametrize(
    "tree",
    [
        {"optim": {"lrr": 1.0}},
        {"optim": {"lr": 0}},
        {"optim": {"lr": 1e38}},
        {"seed": -1},
        {"seed": 1.5},
        {"loss": {"chunk_rows": -5}},
        {"objective": "causall"},
        {"model": {"decoder": {"norm": {"kind": "rsm"}}}},
        {"model": {"decoder": {"pattern": ["causal", {"kind": "window", "size": 0}]}}},
        {"precision": "fp8"},
        {"modle": {}},
    ],
)
def test_what_a_recipe_refuses_does_not_fit(tree, made):
    assert not fits(tree, made, made)


def test_every_field_has_its_description_default_and_bounds(made):
    lr = made["$defs"]["AdamW"]["properties"]["lr"]
    assert (lr["default"], lr["exclusiveMinimum"], lr["maximum"]) == (3e-4, 0, 100)
    assert made["properties"]["optim"]["default"]["kind"] == "adamw"
    for name, field in Recipe.model_fields.items():
        assert made["properties"][name]["description"] == field.description, name


def test_kinds_of_ones_own_are_in_it():
    class Sudden(Schedule, kind="sudden"):
        """Made here."""

    try:
        found = schema(Recipe)
        assert fits({"schedule": "sudden"}, found, found) and fits({"schedule": {"kind": "sudden"}}, found, found)
    finally:
        Schedule.kinds.pop("sudden")
