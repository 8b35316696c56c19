"""Averaged weights: their values by the definition, in checkpoints, evaluation and model; and nothing where unused."""

import json

import pytest
import torch
from safetensors.torch import load_file

import tiny
from runs import Signalled
from trivium.base.errors import ConfigError
from trivium.base.process import Interrupted
from trivium.data.loader import in_order
from trivium.train.average import EMA, Average
from trivium.train.evaluate import evaluate
from trivium.train.loop import train

STEPS = 7


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("average")
    return tiny.write_corpus(folder, tiny.documents([11, 30, 5, 17, 9, 8, 22, 13]), tiny.documents([12, 20], seed=4))


class Run:
    def __init__(self, data, folder, **changes):
        self.data, self.folder = data, folder
        usual = {"ema": {"decay": 0.7}, "eval_every_steps": 3, "save_every_steps": 1, "keep_checkpoints": 20}
        self.recipe = tiny.recipe(**{**usual, **changes})
        folder.mkdir(exist_ok=True)

    def go(self, stop=None):
        self.model, loader = tiny.model(layers=1, dropout=0.1), tiny.loader(tiny.document_rows(self.data))
        stream = loader.stream

        def signalled(start, end):
            for step, batches in enumerate(stream(start, end), start + 1):
                yield Signalled(batches) if step == stop else batches

        loader.stream = signalled
        valid = tiny.document_rows(self.data, split="valid")
        score = lambda: evaluate(self.model, in_order(valid, 2, 0))
        return train(self.model, loader, self.recipe, STEPS, self.folder, score=score)

    def weights(self, step):
        return load_file(self.folder / "checkpoints" / f"step-{step:08d}" / "model.safetensors")

    def files(self):
        return [path.read_bytes() for path in sorted(self.folder.glob(f"checkpoints/*{STEPS}/*.safetensors"))]

    def held_out(self):
        lines = map(json.loads, (self.folder / "metrics.jsonl").read_text().splitlines())
        return {line["step"]: line for line in lines if "valid_loss" in line}


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    run = Run(data, tmp_path_factory.mktemp("plain"), ema=None)
    run.go()
    return run


@pytest.fixture(scope="module")
def averaged(data, tmp_path_factory):
    run = Run(data, tmp_path_factory.mktemp("averaged"))
    run.go()
    return run


def by_definition(run, steps, decay=0.7):
    found = run.weights(1)
    for step in range(2, steps + 1):
        share = min(decay, (1 + step) / (10 + step))
        found = {name: share * mean + (1 - share) * run.weights(step)[name] for name, mean in found.items()}
    return found


def test_the_model_has_the_mean_of_the_definition_and_training_is_as_without(plain, averaged):
    wanted = by_definition(plain, STEPS)
    state = averaged.model.state_dict()
    assert all(torch.allclose(state[name], value, atol=1e-6) for name, value in wanted.items())
    assert not any(torch.equal(state[name], value) for name, value in plain.weights(STEPS).items() if value.ndim > 1)
    for step in (1, 4, STEPS):
        assert all(torch.equal(averaged.weights(step)[name], value) for name, value in plain.weights(step).items())


def test_held_out_rows_are_scored_with_the_averages_and_the_line_says_so(plain, averaged):
    before = averaged.held_out()
    assert [line["valid_weights"] for line in before.values()] == ["averaged"] * 4
    assert before[0]["valid_loss"] == plain.held_out()[0]["valid_loss"], "before the first step there are none"
    model = tiny.model(layers=1)
    model.load_state_dict(by_definition(plain, 6), strict=False)
    wanted = evaluate(model, in_order(tiny.document_rows(plain.data, split="valid"), 2, 0)).loss
    assert before[6]["valid_loss"] == pytest.approx(wanted, rel=1e-5) != plain.held_out()[6]["valid_loss"]


def test_averages_that_are_not_used_are_only_kept(plain, averaged, data, tmp_path):
    run = Run(data, tmp_path, ema={"decay": 0.7, "use": False})
    run.go()
    assert run.files() == averaged.files()
    assert all(torch.equal(run.model.state_dict()[name], value) for name, value in plain.weights(STEPS).items())
    assert run.held_out()[6]["valid_loss"] == plain.held_out()[6]["valid_loss"]
    assert "valid_weights" not in run.held_out()[6]


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_a_resumed_run_is_the_same_bit_for_bit(averaged, data, tmp_path, stop):
    run = Run(data, tmp_path)
    with pytest.raises(Interrupted):
        run.go(stop=stop)
    run.go()
    assert run.files() == averaged.files()
    assert all(map(torch.equal, run.model.parameters(), averaged.model.parameters()))


def test_the_best_model_has_the_averages_of_its_step(averaged, plain, data, tmp_path):
    run = Run(data, tmp_path, keep_best=True)
    best = run.go().best
    assert best["step"] == min((line["valid_loss"], step) for step, line in run.held_out().items() if step)[1]
    wanted = by_definition(plain, best["step"])
    assert all(torch.allclose(run.model.state_dict()[name], value, atol=1e-6) for name, value in wanted.items())


def test_an_exchange_and_another_change_no_bit():
    model = torch.nn.Linear(5, 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.5)
    average = Average(EMA(decay=0.9), optimizer)
    for step in range(1, 4):
        model(torch.ones(2, 5)).sum().backward()
        optimizer.step()
        average.update(step)
    before = [p.detach().clone() for p in model.parameters()]
    with average.instead():
        assert not any(map(torch.equal, model.parameters(), before))
    assert all(map(torch.equal, model.parameters(), before))


@pytest.mark.parametrize("decay", [0, 1, -1, 2])
def test_a_decay_is_a_share(decay):
    with pytest.raises(ConfigError, match=r"ema\.decay"):
        tiny.recipe(ema={"decay": decay})
