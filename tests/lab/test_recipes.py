"""What comes with Trivium is listed, and copied without replacing anything unasked."""

from pathlib import Path

import pytest

from trivium.base.errors import ConfigError
from trivium.lab import recipes as room
from trivium.lab.recipes import copy, listing, shipped
from trivium.train.recipe import read_recipe

ROOT = Path(__file__).parents[2]


def test_every_recipe_and_tour_of_the_tree_is_listed_with_a_sentence():
    there = [f"{path.parent.name}/{path.name}" for path in [*ROOT.glob("recipes/*"), *ROOT.glob("tours/*.py")]]
    lines = list(listing())
    assert sorted(line.split()[0] for line in lines) == sorted(there) == sorted(shipped())
    assert all(len(line.split()) > 3 for line in lines)
    assert "recipes/llama-tiny.toml              A small LLaMA." in lines
    assert all(line.endswith(".") for line in lines), "whole sentences"


def test_all_are_copied_and_a_copy_is_no_obstacle(tmp_path: Path):
    made = copy([], tmp_path)
    assert len(made) == len(shipped())
    for place, path in shipped().items():
        assert (tmp_path / place).read_bytes() == path.read_bytes()
    assert copy([], tmp_path) == made


def test_one_is_copied_with_its_base(tmp_path: Path):
    made = copy(["shakespeare-llama", "tours/3_attention.py"], tmp_path)
    names = {"recipes/shakespeare-llama.toml", "recipes/shakespeare-nanogpt.toml", "tours/3_attention.py"}
    assert {path.relative_to(tmp_path).as_posix() for path in made} == names
    assert read_recipe(tmp_path / "recipes" / "shakespeare-llama.toml").model is not None


def test_what_a_person_changed_is_not_replaced_unasked(tmp_path: Path):
    (tmp_path / "recipes").mkdir()
    mine = tmp_path / "recipes" / "llama-tiny.toml"
    mine.write_text("seed = 7\n")
    with pytest.raises(ConfigError, match=r"llama-tiny\.toml: is there already, with other text; --force replaces it$"):
        copy([], tmp_path)
    assert mine.read_text() == "seed = 7\n" and list((tmp_path / "recipes").iterdir()) == [mine]
    copy(["llama-tiny"], tmp_path, force=True)
    assert mine.read_text() != "seed = 7\n"
    with pytest.raises(ConfigError, match=r"^lama: no recipe or tour has this name; `trivium recipes` lists them$"):
        copy(["lama"], tmp_path)


def test_in_a_wheel_they_lie_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    copy([], tmp_path)
    monkeypatch.setattr(room, "HOME", tmp_path)
    assert {path.parents[1] for path in shipped().values()} == {tmp_path}
