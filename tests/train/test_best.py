"""The checkpoint of the lowest held-out loss stays, the model is made of it, and a run without a lower one ends."""

import json

import pytest
from safetensors.torch import load_file

import tiny
from runs import Signalled
from trivium.base.errors import ModelError
from trivium.base.process import Interrupted
from trivium.train.checkpoint import checkpoints
from trivium.train.evaluate import Evaluation
from trivium.train.loop import train

LOSSES = [9.0, 5.0, 3.0, 4.0, 3.5, 3.0, 3.2]
"""Those after 0, 2, 4, ... steps: the lowest is that of step 4."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.write_corpus(tmp_path_factory.mktemp("best"), tiny.documents([11, 30, 5, 17, 9, 8, 22, 13]))


class Run:
    """A run whose held-out losses a test gives."""

    def __init__(self, data, folder, losses=LOSSES, **changes):
        self.data, self.folder, self.losses = data, folder, losses
        usual = {"eval_every_steps": 2, "save_every_steps": 3, "keep_best": True, "keep_checkpoints": 1}
        self.recipe = tiny.recipe(**{**usual, **changes})
        folder.mkdir(exist_ok=True)

    def go(self, steps=12, stop=None, from_step=None):
        self.model, loader, done = tiny.model(layers=1), tiny.loader(tiny.document_rows(self.data)), [0]
        stream = loader.stream

        def counted(start, end):
            done[0] = start
            for batches in stream(start, end):
                done[0] += 1
                yield Signalled(batches) if done[0] == stop else batches

        loader.stream = counted
        score = lambda: Evaluation(self.losses[done[0] // 2], 7)
        return train(self.model, loader, self.recipe, steps, self.folder, score=score, from_step=from_step)

    def steps(self):
        return sorted(checkpoints(self.folder / "checkpoints"))

    def holds(self, step):
        """Whether the model has the weights of the checkpoint of a step."""
        kept = load_file(self.folder / "checkpoints" / f"step-{step:08d}" / "model.safetensors")
        state = self.model.state_dict()
        return all(state[name].equal(value) for name, value in kept.items())


def test_the_best_checkpoint_stays_and_becomes_the_model(data, tmp_path, capsys):
    run = Run(data, tmp_path)
    last = run.go()
    assert run.steps() == [4, 12] and run.holds(4) and not run.holds(12)
    assert last.step == 12 and last.best["step"] == 4 and last.record()["best"]["loss"] == 3.0
    assert "the model is that of step 4, with the lowest held-out loss: 3.0000" in capsys.readouterr().out


def test_without_it_the_model_is_the_last(data, tmp_path):
    run = Run(data, tmp_path, keep_best=False)
    last = run.go()
    assert run.steps() == [12] and run.holds(12) and "best" not in last.record()


@pytest.mark.parametrize("stop", [1, 3, 4, 5, 9, 11])
def test_a_resumed_run_knows_its_best(data, tmp_path, stop):
    whole, run = Run(data, tmp_path / "whole"), Run(data, tmp_path / "run")
    whole.go()
    with pytest.raises(Interrupted):
        run.go(stop=stop)
    assert run.go().best == {"step": 4, **Evaluation(3.0, 7).record()}
    assert run.steps() == [4, 12] and run.holds(4)
    assert all(a.equal(b) for a, b in zip(whole.model.parameters(), run.model.parameters(), strict=True))


def test_a_finished_run_gives_its_best_again(data, tmp_path):
    run = Run(data, tmp_path)
    run.go()
    assert run.go().best["step"] == 4 and run.holds(4)


def test_a_run_from_an_older_step_forgets_a_best_that_is_gone(data, tmp_path, capsys):
    run = Run(data, tmp_path, losses=[9.0, 5.0, 6.0, 4.0, 3.0, 3.5, 3.2], keep_checkpoints=9, save_every_steps=4)
    run.go()
    assert run.steps() == [2, 4, 6, 8, 12]
    for step in (2, 6):
        (tmp_path / "checkpoints" / f"step-{step:08d}").rename(tmp_path / f"moved-{step}")
    assert run.go(from_step=4).best["step"] == 8
    assert "the best checkpoint, of step 2, is gone" in capsys.readouterr().err


def test_a_best_checkpoint_that_is_damaged_is_an_error_that_names_it(data, tmp_path):
    run = Run(data, tmp_path)
    run.go()
    (tmp_path / "checkpoints" / "step-00000004" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"step-00000004/model\.safetensors: missing or damaged"):
        run.go()


def test_patience_ends_a_run_that_stays_ended(data, tmp_path, capsys):
    run = Run(data, tmp_path, patience=2, keep_best=False)
    assert run.go().step == 8 and run.steps() == [8] and run.holds(8)
    assert "step 8: 2 evaluations had no lower loss than step 4; the run ends" in capsys.readouterr().out
    assert run.go().step == 8, "a resumed run does not go on"
    run.recipe = run.recipe.replace(patience=5)
    assert run.go().step == 12


@pytest.mark.parametrize("stop", [5, 6, 7])
def test_a_resumed_run_has_waited_as_long(data, tmp_path, stop):
    run = Run(data, tmp_path, patience=2)
    with pytest.raises(Interrupted):
        run.go(stop=stop)
    last = run.go()
    assert last.step == 8 and last.best["step"] == 4 and run.steps() == [4, 8]


def test_a_loss_that_is_not_finite_is_neither_best_nor_waited_for(data, tmp_path):
    nan = float("nan")
    run = Run(data, tmp_path, losses=[9.0, nan, 5.0, nan, nan, nan, 6.0], patience=2)
    assert run.go().step == 12 and run.steps() == [4, 12]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["valid_loss"] for line in lines if "valid_loss" in line] == [9.0, None, 5.0, None, None, None, 6.0]
