import json
import math
import statistics

import pytest

import tiny
from trivium.train.guard.spike import SpikeGuard, Spikes
from trivium.train.loop import train

GUARD = SpikeGuard(deviations=4.0, memory_steps=20)


def wave(count):
    return [2.0 + 0.1 * math.sin(1.7 * n) for n in range(count)]


def test_mean_and_deviation_are_those_of_what_was_seen():
    spikes, values = Spikes(GUARD), wave(20)
    assert not any(spikes.look(value, 10 * value) for value in values)
    mean, variance = spikes.spread["loss"]
    assert mean == pytest.approx(statistics.mean(values)) and variance == pytest.approx(statistics.pvariance(values))
    assert spikes.spread["gradient norm"] == pytest.approx([10 * mean, 100 * variance])


@pytest.mark.parametrize(("loss", "norm", "what"), [(9.0, 1.0, "loss 9"), (2.0, 50.0, "gradient norm 50")])
def test_what_lies_far_above_the_spread_is_a_spike(loss, norm, what):
    spikes = Spikes(GUARD)
    assert not any(spikes.look(value, 1.0) for value in wave(40))
    assert f"a spike: the {what} is " in spikes.look(loss, norm)
    assert not spikes.look(2.1, 1.0) and not spikes.look(0.1, 0.0), "what lies below is none"


def test_none_is_a_spike_before_the_spread_is_known_or_without_a_guard():
    spikes = Spikes(GUARD)
    assert not spikes.look(2.0, 1.0) and not spikes.look(2000.0, 1.0)
    free = Spikes()
    assert not any(free.look(value, 1.0) for value in [*wave(40), 1e9]) and free.state() == {}


def test_a_level_that_stays_is_accepted():
    spikes = Spikes(GUARD)
    for value in wave(40):
        spikes.look(value, 1.0)
    skipped = [bool(spikes.look(4.0, 1.0)) for _ in range(60)]
    assert skipped[0] and not any(skipped[30:])


def test_the_state_goes_through_json_to_the_bit():
    spikes = Spikes(GUARD)
    for value in wave(33):
        spikes.look(value, value / 3)
    other = Spikes(GUARD, json.loads(json.dumps(spikes.state())))
    assert other.state() == spikes.state() and other.look(2.05, 0.7) == spikes.look(2.05, 0.7)
    assert other.state() == spikes.state()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.write_corpus(tmp_path_factory.mktemp("spike"), tiny.documents([11, 30, 5, 17, 9, 8, 22, 13]))


def spiked(data, folder, steps, at=12, save=99):
    """Train with one step whose loss is far too large, on from what is there; return the last step."""
    folder.mkdir(exist_ok=True)
    model, loader = tiny.model(layers=1), tiny.loader(tiny.document_rows(data), 2, 2)
    stream, now = loader.stream, [0]

    def counted(start, stop):
        for now[0], batches in enumerate(stream(start, stop), start + 1):
            yield batches

    loader.stream = counted
    model.register_forward_hook(lambda m, given, out: out * 300 if m.training and now[0] == at else out)
    recipe = tiny.recipe(spikes={"memory_steps": 8}, schedule="constant", save_every_steps=save, keep_checkpoints=9)
    return train(model, loader, recipe, steps, folder)


def files(folder, step):
    saved = folder / "checkpoints" / f"step-{step:08d}"
    return [(saved / name).read_bytes() for name in ("model.safetensors", "optim.safetensors")]


def test_a_spike_changes_nothing_and_is_counted_and_told(data, tmp_path, capsys):
    assert spiked(data, tmp_path, 13, save=1).skipped == 1
    assert files(tmp_path, 12) == files(tmp_path, 11) != files(tmp_path, 13)
    assert "step 12: skipped: a spike: the loss " in capsys.readouterr().err
    (line,) = (json.loads(one) for one in (tmp_path / "metrics.jsonl").read_text().splitlines() if "spike" in one)
    assert line["step"] == 12 and line["finite"] and line["skipped"] == 1


@pytest.mark.parametrize("stop", [5, 11, 12, 13])
def test_a_resumed_run_has_the_same_spread(data, tmp_path, stop):
    spiked(data, tmp_path / "whole", 16)
    spiked(data, tmp_path / "run", stop)
    assert spiked(data, tmp_path / "run", 16).skipped == 1
    for name in ("model.safetensors", "optim.safetensors", "state.json"):
        whole, run = ((tmp_path / one / "checkpoints" / "step-00000016" / name) for one in ("whole", "run"))
        if name == "state.json":
            assert json.loads(whole.read_text())["spikes"] == json.loads(run.read_text())["spikes"]
        else:
            assert whole.read_bytes() == run.read_bytes()
