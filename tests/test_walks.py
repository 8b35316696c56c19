"""The five walks of DESIGN.md: each file that a walk names takes part when the walk is run, and a walk is short."""

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import trivium
from trivium.base.config import parse
from trivium.corpus.prepare import Preparation, prepare
from trivium.task.feed import open_rows
from trivium.task.finetune import recipe_for
from trivium.task.run import run
from trivium.task.start import start_model
from trivium.train.recipe import Recipe

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "trivium"
MOST = {"document to id": 14, "row to step": 14, "chat row to labels": 12, "prompt to text": 8, "folder to weights": 8}


def walks() -> dict[str, list[str]]:
    """The walks of the page: name -> files in order."""
    page = (ROOT / "DESIGN.md").read_text(encoding="utf-8").split("## 8.")[1]
    return {
        name.lower(): re.findall(r"`([a-z_/0-9]+)`", files) for name, files in re.findall(r"\*\*(.+?)\*\*: (.+)", page)
    }


def taking_part(act: Callable[[], Any]) -> set[str]:
    """The files of src in which a function is called while `act` runs."""
    seen: set[str] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code.co_name != "<module>":
            seen.add(frame.f_code.co_filename)

    before = sys.gettrace()
    threading.settrace(trace)
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
        threading.settrace(None)  # type: ignore[arg-type]
    return {str(Path(name).relative_to(SRC).with_suffix("")) for name in seen if name.startswith(f"{SRC}/")}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The files that take part in each walk, on a corpus of a few lines."""
    here = tmp_path_factory.mktemp("walks")
    (here / "text").mkdir()
    for i in range(30):
        text = f"Document {i} says that {i * i} is a square. It has {'many ' * (i % 5)}words.\n" * 20
        (here / "text" / f"{i}.txt").write_text(text)
    rows = [{"question": f"What is {i}?", "answer": f"It is {i}."} for i in range(20)]
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stack = {"layers": 1, "heads": 2, "kv_heads": 2}
    model = {"preset": "llama", "vocab_size": 384, "hidden_size": 32, "context": 64, "decoder": stack}
    tree = {
        "data": {"path": str(here / "data")},
        "model": model,
        "budget_steps": 2,
        "batch_tokens": 256,
        "micro_rows": 2,
    }
    folder = here / "run" / "model"

    def labels() -> None:
        recipe = recipe_for("chat", folder, [str(here / "rows.jsonl")])
        open_rows(recipe, start_model(recipe), 64)[0].row(0, 0)

    return {
        "document to id": taking_part(
            lambda: prepare([here / "text"], here / "data", Preparation(vocab_size=384, shards=1))
        ),
        "row to step": taking_part(lambda: run(parse(Recipe, tree), here / "run")),
        "chat row to labels": taking_part(labels),
        "prompt to text": taking_part(lambda: trivium.load(folder).generate(["Document 3"], max_new_tokens=4)),
        "folder to weights": taking_part(lambda: trivium.load(folder)),
    }


@pytest.mark.parametrize("name", MOST)
def test_each_file_of_a_walk_takes_part_in_it(name: str, found: dict[str, set[str]]) -> None:
    files = walks()[name]
    assert 0 < len(files) <= MOST[name] and len(set(files)) == len(files)
    assert set(files) <= found[name], f"not on the way: {sorted(set(files) - found[name])}"
