"""The examples of the pages run as they stand, on their own files; recipes of tasks are their defaults."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import shapes
import small
import tiny
import trivium
from trivium.base.config import dump
from trivium.cli import app
from trivium.task.finetune import recipe_for
from trivium.task.task import Task
from trivium.token.tokenizer import Tokenizer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.split("\n## ")[1:]}
FILE = re.compile(r"^`([\w.-]+)`[^\n]*:\n\n```\w+\n(.*?)```", re.M | re.S)
COMMANDS = re.compile(r"```sh\n(.*?)```", re.S)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with the files of the page and models of one layer in the places that it names."""
    folder = tmp_path_factory.mktemp("docs")
    for name, text in FILE.findall(PAGE):
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("bert", "llama", "t5"):
        model = trivium.build(name, vocab_size=384, context=256, hidden_size=16, layers=1, heads=2)
        model.tokenizer = Tokenizer.bytes()
        model.save(folder / "runs" / f"{name}-tiny" / "model")
    shapes.reader().save(folder / "runs" / "reader" / "model")
    small.tuned(folder, "chat", "llama", [{"prompt": "q", "completion": "a"}], ["budget_epochs=1"])
    (folder / "runs" / "chat").mkdir()
    (folder / "run" / "model").rename(folder / "runs" / "chat" / "model")
    return folder


@pytest.mark.parametrize("section", [name for name, text in SECTIONS.items() if COMMANDS.search(text)])
def test_every_command_of_the_page_runs(section, here, monkeypatch):
    monkeypatch.chdir(here)
    for line in "".join(COMMANDS.findall(SECTIONS[section])).splitlines():
        words = shlex.split(line)
        assert words.pop(0) == "trivium"
        if "runs/chat" in words:  # the page's own example, beside the model that other sections begin with
            words[words.index("runs/chat")] = "runs/chatting"
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        if words[0] == "finetune" and "--valid" in words:
            assert re.search(r"^rows +\d", done.output, re.M), f"{line}: no metrics in\n{done.output}"


def test_the_page_of_your_own_kinds_runs(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    for name, text in FILE.findall(page):
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "tests" / "regression.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    with tiny.forgetting():
        for line in "".join(COMMANDS.findall(page)).splitlines():
            done = CliRunner().invoke(app, shlex.split(line)[1:])
            assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        kept = json.loads((tmp_path / "runs" / "derf" / "model" / "trivium.json").read_text(encoding="utf-8"))
    assert kept["model"]["decoder"]["norm"] == {"kind": "derf", "alpha": 0.4}
    assert [entry["file"] for entry in kept["imports"]] == ["derf.py"]
    assert done.output.count('"number":') == 2


def test_the_page_has_every_task_and_what_its_commands_leave():
    assert {*Task.kinds} <= {*SECTIONS} and all(COMMANDS.search(SECTIONS[name]) for name in Task.kinds)
    named = {name for name, _ in FILE.findall(PAGE)}
    given = {word for line in COMMANDS.findall(PAGE) for word in re.findall(r"(?:--data|--input) ([\w.-]+)", line)}
    assert given <= named, "a file that the page does not show"


@pytest.mark.parametrize("name", sorted(Task.kinds))
def test_the_recipe_of_a_task_is_its_defaults(name, tmp_path):
    preset = {"classify": "bert", "tag": "bert", "extract": "bert", "embed": "bert", "rerank": "bert"}.get(
        name, "llama"
    )
    folder = small.folder(tmp_path, preset)
    file = ROOT / "recipes" / f"{name}.toml"
    assert len(file.read_text().splitlines()) <= 40
    plain, written = (dump(recipe_for(name, folder, ["x"], recipe=one)) for one in (None, file))
    own = ("objective", "optim", "schedule", "loss", "batch_tokens", "budget_epochs")
    assert {key: plain.get(key) for key in own} == {key: written.get(key) for key in own}


def test_a_recipe_of_a_head_does_not_keep_a_task_from_being_learned_in_words(tmp_path):
    folder = small.folder(tmp_path, "t5")
    asked = [
        recipe_for("classify", folder, ["x"], recipe=ROOT / "recipes" / "classify.toml", head=head)
        for head in (False, True)
    ]
    assert [recipe.objective.kind for recipe in asked] == ["instruct", "label"]
