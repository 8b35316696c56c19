"""One budget for all: each family's steps use it up, and a finished comparison is not run again."""

import json
from pathlib import Path

import pytest

from trivium.base.errors import ConfigError
from trivium.corpus.prepare import Preparation, prepare
from trivium.data.loader import Loader
from trivium.study import compare as room
from trivium.study.compare import FAMILIES, compare, plan
from trivium.task.feed import open_rows
from trivium.task.start import start_model
from trivium.train.recipe import Recipe


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_use_up_the_budget(family: str) -> None:
    recipe, flops = plan(family, Path("d"), 384, 1e12, 0, layers=2, hidden_size=64)
    assert recipe.budget_steps is not None
    assert recipe.budget_steps * flops == pytest.approx(1e12, rel=0.01)
    recipe.objective.fits(family)


def read_in(recipe: Recipe) -> int:
    """Count the ids that are no padding in the batches of a run, on both sides."""
    model = start_model(recipe)
    rows, _ = open_rows(recipe, model, 256)
    loader = Loader(rows, recipe.step_rows(256), recipe.micro_rows, model.tokenizer.vocabulary.pad, recipe.seed)
    batches = [batch for step in range(recipe.budget_steps or 0) for batch in loader.step(step)]
    sides = [side for batch in batches for side in (batch.enc, batch.dec) if side is not None]
    return sum(int((side.documents > 0).sum()) for side in sides)


def test_three_families_make_one_table_and_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").mkdir()
    for name in "abcdefgh":
        text = "".join(f"The {name} fox number {n} jumps over the lazy dog.\n" for n in range(30))
        (tmp_path / "text" / f"{name}.txt").write_text(text)
    prepare([tmp_path / "text"], tmp_path / "data", Preparation(tokenizer="bytes", near=None, valid_share=0.3))
    monkeypatch.setattr(room, "BLANKS", 20)
    out = tmp_path / "out"
    results = compare(tmp_path / "data", out, budget_flops=1e9, layers=1, hidden_size=64)
    assert [result["family"] for result in results] == list(FAMILIES)
    assert all(0 <= result["cloze"] <= 1 and result["loss"] > 0 for result in results)
    for one in results:
        recipe, _ = plan(one["family"], tmp_path / "data", 384, 1e9, 0, 1, 64)
        assert one["tokens"] == read_in(recipe)
        assert one["tokens_per_second"] * one["step_seconds"] * one["steps"] == pytest.approx(one["tokens"], rel=0.01)
    page = (out / "compare.html").read_text()
    assert all(f"<td>{family}</td>" in page for family in FAMILIES) and "cannot be compared" in page
    monkeypatch.setattr(room, "measured", None)  # what is done is not trained again
    assert compare(tmp_path / "data", out, budget_flops=1e9, layers=1, hidden_size=64) == results
    assert len(json.loads((out / "compare.json").read_text())["results"]) == 3


def test_an_unknown_family_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown family 'bert'"):
        compare(tmp_path, tmp_path / "o", ["bert"])
