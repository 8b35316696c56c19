"""A new task in one file: its rows, head, loss, objective and metrics. Nothing in `src` knows it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import small
import tiny
import trivium
from trivium.base.errors import ConfigError, DataError, ModelError
from trivium.base.files import sha256
from trivium.task.predict import evaluate_files, predict_file

FILE = Path(__file__).parent / "regression.py"
ROWS = [{"text": "x" * n, "number": n / 4} for n in range(1, 9)]


@pytest.fixture(autouse=True)
def families():
    """The families are as before for all other files."""
    with tiny.forgetting():
        yield


def tuned(tmp_path, made, *words):
    words = [f"imports={json.dumps([str(FILE)])}", "budget_epochs=50", "optim.lr=1e-2", *words]
    return small.tuned(tmp_path, "number", "bert", made, words)


def test_no_file_of_the_house_knows_the_task():
    with pytest.raises(ConfigError, match=r"task: expected one of .*, found 'number'"):
        small.recipe_for("number", "nowhere", [])


def test_a_task_of_one_file_is_learned_measured_predicted_and_loaded_again(tmp_path):
    folder, found = tuned(tmp_path, ROWS * 4)
    assert found["rows"] == 32 and found["rmse"] < 0.2, "the numbers are 0.57 from their mean"
    assert evaluate_files(folder, [tmp_path / "number.jsonl"]) == found, "the folder says the task"
    asked = small.rows(tmp_path / "in.jsonl", [{"text": "xx"}, {"text": "xxxxxxx"}])
    assert predict_file(folder, asked, tmp_path / "out.jsonl") == 2
    said = [json.loads(line)["number"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert said == pytest.approx([0.5, 1.75], abs=0.4)
    again = trivium.load(trivium.load(folder).save(tmp_path / "again"))
    assert again.config.head.kind == "number"
    assert json.loads((folder / "trivium.json").read_text())["recipe"]["loss"] == {"kind": "number"}
    words = ["predict", str(folder), "--imports", str(FILE), "--input", str(asked), "--out", str(tmp_path / "b.jsonl")]
    subprocess.run([sys.executable, "-m", "trivium", *words], check=True)
    assert (tmp_path / "b.jsonl").read_text() == (tmp_path / "out.jsonl").read_text()


def test_rows_without_what_the_task_needs_are_named(tmp_path):
    with pytest.raises(DataError, match=r"number\.jsonl:2: number: expected one, found none"):
        tuned(tmp_path, [*ROWS[:1], {"text": "x"}])
    with pytest.raises(DataError, match=r"number\.jsonl:1: expected the keys {text} of score rows, found {txt}"):
        (tmp_path / "two").mkdir()
        tuned(tmp_path / "two", [{"txt": "x"}])


def test_a_folder_names_the_file_of_a_task_that_adds_no_weights(tmp_path):
    (tmp_path / "poem.py").write_text(
        "from trivium.task.kinds.chat import ChatTask\n\nclass Poem(ChatTask, kind='poem'):\n    'A chat in verse.'\n"
    )
    words = [f"imports={json.dumps([str(tmp_path / 'poem.py')])}", "budget_epochs=1"]
    folder, _ = small.tuned(tmp_path, "poem", "llama", [{"question": "a", "answer": "b"}] * 4, words)
    told = [{"file": "poem.py", "sha256": sha256(tmp_path / "poem.py")}]
    again = trivium.load(folder).save(tmp_path / "again")
    for saved in (folder, again):
        assert json.loads((saved / "trivium.json").read_text())["imports"] == told
    with tiny.forgetting(), pytest.raises(ModelError, match=r"needs the kinds of 'poem\.py'"):
        trivium.load(again)
