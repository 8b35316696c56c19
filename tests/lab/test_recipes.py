"""What comes with Trivium is listed, and copied without replacing anything unasked."""

from pathlib import Path

import pytest
import torch

from trivium.base.errors import ConfigError
from trivium.data.loader import Loader
from trivium.lab import recipes as room
from trivium.lab.recipes import copy, listing, shipped
from trivium.model.presets import PRESETS as KNOWN
from trivium.study.grid import count
from trivium.task.feed import open_rows
from trivium.task.start import start_model
from trivium.train.recipe import read_recipe
from trivium.train.step import train_step

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


def test_the_fast_recipe_has_as_many_parameters_as_nanogpt():
    recipe = read_recipe(ROOT / "recipes" / "shakespeare-fast.toml", ["model.vocab_size=65"])
    matrices, norms, tables = 4 * 12 * 128**2, (2 * 4 + 1) * 128, (65 + 64) * 128
    assert count(recipe) == matrices + norms + tables == 804_096


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


PRESETS = ["gpt2", "llama", "llama3", "mistral", "qwen3", "gemma2", "bert", "roberta", "modernbert"]
PRESETS += ["t5", "t5-v1.1", "bart", "mbart"]
SMALL = ["model.hidden_size=32", "model.context=64", "data.length=64", "batch_tokens=512", "micro_rows=8"]
"""A width and a step at which each recipe takes a fraction of a second."""


@pytest.mark.parametrize("preset", PRESETS)
def test_each_usual_preset_has_a_small_recipe_that_learns(preset: str, data: Path):
    recipe = read_recipe(ROOT / "recipes" / f"{preset}-tiny.toml", [f"data.path={data}", *SMALL, "precision=fp32"])
    assert recipe.model is not None and recipe.model.preset == preset
    model = start_model(recipe)
    rows, _ = open_rows(recipe, model, 64)
    loader, network = Loader(rows, 8, 8, 0, recipe.seed), model.transformer.train()
    optimizer = recipe.optim.build(network)
    batches = next(iter(loader.stream(0, 1)))
    losses = [
        train_step(network, network, optimizer, batches, 5e-3, recipe, step, torch.float32).loss for step in range(6)
    ]
    assert losses[-1] < losses[0] - 0.3, "the same rows six times"


def test_the_presets_with_a_small_recipe_are_those_of_the_objectives():
    table = [line for line in (ROOT / "docs" / "objectives.md").read_text().splitlines() if line.startswith("| `")]
    named = {name.strip() for line in table for name in line.split("|")[-2].split(",")}
    assert {*PRESETS} == named & {*KNOWN}
