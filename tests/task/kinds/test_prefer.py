"""The chosen answer becomes the likelier one."""

import json

import pytest

import small
import trivium
from trivium.base.errors import ConfigError
from trivium.task.finetune import finetune, recipe_for
from trivium.task.task import task_of


def test_prefer_makes_the_chosen_answer_likelier(tmp_path):
    made = [{"prompt": f"say {n}", "chosen": "yes", "rejected": "no"} for n in range(16)]
    folder, found = small.tuned(tmp_path, "prefer", "llama", made, ["optim.lr=1e-3", "log_every_steps=1"])
    task = task_of("prefer")
    file = str(tmp_path / "prefer.jsonl")
    before = task.measure(trivium.load(tmp_path / "llama"), [file])
    assert found["margin"] > before["margin"] + 1 and found["reward_accuracy"] == 1
    assert found["reward_margin"] == pytest.approx(found["margin"] - before["margin"], abs=1e-4)
    assert "reward_margin" not in before
    metrics = [json.loads(line) for line in (folder.parent / "metrics.jsonl").read_text().splitlines()]
    first = next(row["loss"] for row in metrics if "loss" in row)
    assert first == pytest.approx(0.6931, abs=0.05), "a model that is its own reference has the loss log 2"
    with pytest.raises(ConfigError, match="prefer is for decoder models"):
        recipe = recipe_for("prefer", small.folder(tmp_path, "bert"), [file])
        finetune("prefer", recipe, tmp_path / "other")
