"""`predict` knows from the folder what a model is for."""

import pytest

import small
from trivium.base.errors import ConfigError
from trivium.task.predict import task_for


@pytest.mark.parametrize(("head", "task"), [("classify", "classify"), ("tag", "tag"), ("span", "extract")])
def test_the_head_says_the_task(head, task):
    model = small.model("bert")
    model.equip(head, ("start", "end"))
    assert task_for(model).kind == task and task_for(model, "embed").kind == "embed"


def test_without_a_head_the_family_says_it():
    assert task_for(small.model("llama")).kind == task_for(small.model("t5")).kind == "chat"
    with pytest.raises(ConfigError, match="say by --task"):
        task_for(small.model("bert"))
    embedder = small.model("bert")
    embedder.record = {"pool": "mean"}
    assert task_for(embedder).kind == "embed"
