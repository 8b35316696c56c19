"""`micro_rows = "auto"`: the most that fits in equal parts, said, kept, and the same after a resume."""

import json

import pytest
import torch

import tiny
from runs import interrupt, pretraining
from trivium import api
from trivium.base.errors import ConfigError
from trivium.base.process import Interrupted
from trivium.model.size import training_bytes
from trivium.task import fit
from trivium.task.run import run
from trivium.train.parallel.world import World


@pytest.mark.parametrize(
    ("most", "room", "found"), [(24, 99, 24), (24, 24, 24), (24, 23, 12), (24, 5, 3), (7, 4, 4), (7, 3, 2), (1, 1, 1)]
)
def test_the_rows_of_a_step_are_parted_equally(most, room, found):
    assert fit.largest(most, lambda count: count <= room) == found


def test_not_even_one_row_is_zero():
    assert fit.largest(24, lambda count: False) == 0


def test_the_estimate_is_of_the_free_memory(monkeypatch):
    recipe = tiny.recipe(micro_rows="auto", batch_tokens=64 * 64)
    need = {count: training_bytes(recipe.model, 64, count, recipe.loss.chunk_rows) for count in (1, 8, 16, 64)}
    for count in (8, 16, 64):
        monkeypatch.setattr(fit, "free_bytes", lambda device: need[count] / fit.SHARE + 1)  # noqa: B023
        assert fit.estimated(recipe, recipe.model, 64, 64)[0] == count
    monkeypatch.setattr(fit, "free_bytes", lambda device: 1)
    assert fit.estimated(recipe, recipe.model, 64, 64)[0] == 1
    monkeypatch.setattr(fit, "free_bytes", lambda device: None)
    assert fit.estimated(recipe, recipe.model, 64, 64) == (64, "nothing tells the free memory")


def test_processes_of_one_machine_share_its_memory(monkeypatch):
    recipe = tiny.recipe(micro_rows="auto")
    monkeypatch.setattr(fit, "free_bytes", lambda device: training_bytes(recipe.model, 64, 16, 512) / fit.SHARE + 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    alone, shared = 16, fit.estimated(recipe, recipe.model, 64, 16)[0]
    assert shared < alone


class Small(torch.nn.Module):
    """A model on a device that has no memory for more rows than it says."""

    def __init__(self, room):
        super().__init__()
        self.inner, self.room, self.shapes = tiny.model(layers=1), room, []
        self.config, self.head = self.inner.config, self.inner.head

    def forward(self, batch):
        self.shapes.append(tuple(batch.stream.ids.shape))
        if len(batch.stream.ids) > self.room:
            raise torch.OutOfMemoryError("no memory")
        return self.inner(batch)


@pytest.mark.parametrize(("room", "found"), [(99, 8), (3, 2), (1, 1), (0, 0)])
def test_on_an_accelerator_it_is_tried_with_rows_as_long_as_they_can_be(room, found):
    rows, model = tiny.example_rows([tiny.example(3, n) for n in (4, 9, 16)]), Small(room)
    recipe = tiny.recipe(micro_rows="auto")
    assert fit.largest(8, lambda count: fit.tried(recipe, model, rows, 16, 0, World(), count)) == found
    assert {length for _, length in model.shapes} == {16} and model.shapes[0][0] == 8
    assert all(p.grad is None for p in model.parameters())


@pytest.fixture
def room(monkeypatch):
    """Memory for two rows of four."""
    monkeypatch.setattr(fit, "estimated", lambda *given: (2, "of a test"))


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_a_run_says_and_keeps_its_number_and_a_resumed_one_has_it_again(data, room, tmp_path, monkeypatch, capsys):
    recipe = pretraining(data, micro_rows="auto", budget_steps=3)
    model = run(recipe, tmp_path / "run")
    assert "micro_rows: 2 of 4 rows of a step at a time, chosen by auto: of a test" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["micro_rows"] == 2
    assert api.load(model).record["micro_rows"] == 2
    interrupt(monkeypatch)
    with pytest.raises(Interrupted):
        run(recipe, tmp_path / "stopped")
    monkeypatch.undo()
    monkeypatch.setattr(fit, "estimated", lambda *given: (4, "of another machine"))
    assert weights(run(recipe, tmp_path / "stopped", resume=True)) == weights(model)
    assert weights(run(pretraining(data, micro_rows=2, budget_steps=3), tmp_path / "two")) == weights(model)


def test_a_run_by_minutes_is_repeated_with_its_number(data, room, tmp_path):
    recipe = pretraining(data, micro_rows="auto", budget_minutes=0.01)
    assert api.load(run(recipe, tmp_path / "run")).record["result"]["repeats"].endswith("micro_rows=2")


def test_memory_for_no_row_is_one_clear_line(data, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "estimated", lambda *given: (0, ""))
    with pytest.raises(ConfigError, match="micro_rows: not even one row fits into memory"):
        run(pretraining(data, micro_rows="auto"), tmp_path / "run")


@pytest.mark.parametrize("wrong", ["automatic", 0, 2.5, -1])
def test_anything_else_is_a_wrong_number(wrong):
    with pytest.raises(ConfigError, match=r"micro_rows: expected a whole number, above 0"):
        tiny.recipe(micro_rows=wrong)
