"""`trivium show`: the tree is the recipe, and the sizes are those of the model that is built."""

from pathlib import Path

import pytest

from trivium.base.errors import ConfigError
from trivium.lab.show import describe, list_keys
from trivium.model.config import ModelConfig
from trivium.model.size import parameters
from trivium.model.transformer import Transformer
from trivium.train.recipe import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


def test_what_does_not_exist_is_told_with_the_name_that_the_hub_would_have(tmp_path):
    with pytest.raises(
        ConfigError, match=r"^me/small: no such recipe, .*; for the model of the hub write hf:me/small$"
    ):
        list(describe(Path("me/small"), []))
    (tmp_path / "tiny.toml").write_text("seed = 0")
    with pytest.raises(ConfigError, match=r"tiny: no such recipe; did you mean .*tiny\.toml\?$"):
        read_recipe(tmp_path / "tiny")
    with pytest.raises(ConfigError, match="expected a recipe, a model folder or a data folder, found a folder of oth"):
        list(describe(tmp_path, []))
    with pytest.raises(ConfigError, match=r"^none\.toml: no such recipe; `trivium recipes` lists and copies ours$"):
        list(describe(Path("none.toml"), []))


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_is_short_and_resolves(recipe: Path) -> None:
    assert len(recipe.read_text().splitlines()) <= 40
    overrides = [] if "init" not in recipe.read_text() or "preset" in recipe.read_text() else None
    if overrides is not None:
        assert any(line.startswith("training FLOPs") for line in describe(recipe, overrides))


def test_an_override_shows_in_the_tree() -> None:
    shown = list(describe(RECIPES / "llama-tiny.toml", ["model.decoder.kv_heads=1", "optim.lr=0.5"]))
    assert any(line.split() == ["model.decoder.kv_heads", "1"] for line in shown)
    assert any(line.split() == ["optim.lr", "0.5"] for line in shown)


def test_parameters_are_those_of_the_built_model() -> None:
    config = ModelConfig.model_validate({"preset": "llama", "depth": 2, "vocab_size": 96, "tie": True})
    counted = sum(parameter.numel() for parameter in Transformer(config).parameters())
    assert sum(parameters(config).values()) == counted


def test_keys_name_every_field_of_a_node() -> None:
    names = [line.split()[0] for line in list_keys("model.decoder")]
    assert {"model.decoder.layers", "model.decoder.kv_heads", "model.decoder.norm"} <= set(names)
    with pytest.raises(ConfigError, match="did you mean 'decoder'"):
        list(list_keys("model.decodr"))
