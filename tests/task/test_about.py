"""What a card is told of the data: names and sizes, never where they lie."""

from pathlib import Path

from trivium.base.config import parse
from trivium.corpus.preparation import Preparation
from trivium.corpus.prepare import prepare
from trivium.task.about import data_facts
from trivium.train.recipe import Recipe

MODEL = {"preset": "llama", "depth": 1, "vocab_size": 384}


def recipe(path: Path, **more: object) -> Recipe:
    return parse(Recipe, {"data": {"path": str(path)}, "budget_steps": 1, **more})


def test_a_data_folder_is_told_by_size_and_language(tmp_path: Path):
    (tmp_path / "text").mkdir()
    for at in range(10):
        (tmp_path / "text" / f"{at}.txt").write_text(f"The crane number {at} stands in the river, and it waits.\n")
    options = Preparation(tokenizer="bytes", near=None, valid_share=0.2, shards=1)
    manifest = prepare([tmp_path / "text"], tmp_path / "mine", options)
    (facts,) = data_facts(recipe(tmp_path / "mine", model=MODEL))
    (line,) = manifest["splits"]["train"]
    assert facts["documents"] == line["documents"] and facts["tokens"] == line["tokens"] > 300
    assert facts["name"] == "mine" and facts["languages"] == ["en"] and facts["hub"] == []
    assert str(tmp_path) not in str(facts)


def test_files_of_rows_are_told_by_name(tmp_path: Path):
    made = recipe(tmp_path / "rows.jsonl", objective="instruct", init="m")
    assert data_facts(made) == [{"name": "rows.jsonl"}]
