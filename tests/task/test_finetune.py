"""`finetune`: what a recipe is made of, and what mistakes are told."""

import pytest

import small
import trivium
from trivium.base.errors import ConfigError, DataError, ModelError
from trivium.task.finetune import finetune, plain, recipe_for
from trivium.task.task import task_of


def test_a_low_rank_run_learns_the_head_too(tmp_path):
    folder, found = small.tuned(tmp_path, "classify", "bert", small.labelled(), ["lora.rank=4", "budget_epochs=30"])
    assert found["accuracy"] > 0.9 and (folder.parent / "adapter" / "adapter_model.safetensors").is_file()


def test_a_recipe_goes_before_the_defaults_and_words_before_both(tmp_path):
    folder, file = small.folder(tmp_path, "bert"), str(small.rows(tmp_path / "r.jsonl", small.labelled()))
    (tmp_path / "r.toml").write_text("budget_steps = 3\n[optim]\nlr = 1e-2\n[data]\nlength = 32\n")
    made = recipe_for("classify", folder, [file], words=["optim.lr=1e-3"], recipe=tmp_path / "r.toml")
    assert (made.budget_steps, made.budget_epochs, made.optim.lr, made.data.length) == (3, None, 1e-3, 32)
    assert made.objective.kind == "label"


def test_mistakes_are_one_clear_line(tmp_path):
    folder, file = small.folder(tmp_path, "bert"), str(small.rows(tmp_path / "r.jsonl", [{"text": "a", "label": "x"}]))
    with pytest.raises(ConfigError, match=r"task: expected one of chat, classify, .*, found 'clasify'"):
        recipe_for("clasify", folder, [file])
    with pytest.raises(DataError, match=r"r\.jsonl: expected at least two labels, found x"):
        finetune("classify", recipe_for("classify", folder, [file]), tmp_path / "a")
    bad = str(small.rows(tmp_path / "bad.jsonl", [{"text": "a", "label": "x"}, {"txt": "a", "label": "y"}]))
    with pytest.raises(DataError, match=r"bad\.jsonl:2: expected the keys \{text\}, found \{txt, label\}"):
        finetune("classify", recipe_for("classify", folder, [bad]), tmp_path / "b")
    with pytest.raises(ModelError, match="no head that classifies"):
        task_of("classify").measure(trivium.load(folder), [file])


def test_plain_metrics_are_numbers():
    assert plain({"accuracy": 0.5, "rows": 3, "confusion": [[1]]}) == {"accuracy": 0.5, "rows": 3}
