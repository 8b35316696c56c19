"""Signals to the real command: where it is, it stops within seconds, saved, with exit code 75; then it goes on."""

import json
import signal

import pytest

from started import Started, lay, weights
from trivium.base.process import SIGNALS

BEFORE = ("rows", "first evaluation")
"""Where a signal comes before the first step."""
AFTER = {"training": None, "data": 4, "evaluation": 6}
"""Where it comes later, and the step after which that is, if it is always the same."""
FAST = [("SIGTERM", "data")]
GRID = [
    pytest.param(name, phase, marks=[] if (name, phase) in FAST else [pytest.mark.slow])
    for name in SIGNALS
    for phase in (*BEFORE, *AFTER)
]


@pytest.fixture
def here(tmp_path, data):
    return lay(tmp_path, data)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data):
    """The weights of a run that nothing stopped, and its metrics."""
    folder = lay(tmp_path_factory.mktemp("whole"), data)
    run = Started(folder, "train", "r.toml", "-o", "run")
    assert run.ended(120) == 0, run.said
    return weights(folder / "run"), metrics(folder)


def metrics(folder):
    lines = map(json.loads, (folder / "run" / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if "seconds" not in key and key != "memory"} for line in lines]


@pytest.mark.parametrize(("name", "phase"), GRID)
def test_a_signal_stops_a_run_wherever_it_is(here, name, phase):
    run = Started(here, "train", "r.toml", "-o", "run", phase=phase).there().signal(getattr(signal, name))
    assert run.ended(30) == 75, run.said
    last = run.said.splitlines()[-1]
    if phase in BEFORE:
        assert last.startswith("error: ") and "stopped before the first step" in last and not (here / "run").exists()
        return
    step = max(int(path.name[5:]) for path in (here / "run" / "checkpoints").iterdir())
    assert last == f"error: run: stopped after step {step} of 12, saved; add --resume to continue"
    assert AFTER[phase] in (None, step)


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["training", "data", "evaluation"])
def test_a_stopped_run_goes_on_to_the_same_weights_and_metrics(here, whole, phase):
    run = Started(here, "train", "r.toml", "-o", "run", phase=phase).there().signal(signal.SIGTERM)
    assert run.ended(30) == 75
    again = Started(here, "train", "r.toml", "-o", "run", "--resume")
    assert again.ended(120) == 0, again.said
    assert (weights(here / "run"), metrics(here)) == whole


@pytest.mark.slow
def test_nohup_keeps_a_run_alive(here):
    run = Started(here, "train", "r.toml", "-o", "run", phase="training", launcher=("-c", NOHUP))
    run.there().signal(signal.SIGHUP)
    assert run.ended(120) == 0, run.said


NOHUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.slow
def test_a_stop_before_the_first_step_leaves_a_folder_that_was_there(here):
    (here / "run").mkdir()
    run = Started(here, "train", "r.toml", "-o", "run", phase="first evaluation").there().signal(signal.SIGHUP)
    assert run.ended(30) == 75
    assert [path.name for path in (here / "run").iterdir() if path.name != ".lock"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_fine_tuning_stops_the_same_way(here, name):
    words = ("train", "r.toml", "budget_steps=1", "-o", "base")
    assert Started(here, *words).ended(120) == 0
    (here / "rows.jsonl").write_text(json.dumps({"question": "a?", "answer": "b"}) + "\n")
    words = ("finetune", "chat", "-m", "base/model", "-d", "rows.jsonl", "budget_steps=40", "imports=['slow.py']")
    run = Started(here, *words, "data.length=32", "batch_tokens=64", "-o", "run", phase="data")
    run.there().signal(getattr(signal, name))
    assert run.ended(30) == 75, run.said
    assert "stopped after step 4 of 40, saved; add --resume to continue" in run.said
