"""Runs of two processes, as a person starts them: they end together, with one exit code, and nobody is left behind."""

import json
import signal
from pathlib import Path

import pytest

from started import Started, lay, weights
from trivium.train.guard.launch import verdict

TWO = ("--processes", "2")
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone")
NOISE = ("Traceback", "gloo", "c10d", "[W", "[E")


@pytest.fixture
def here(tmp_path, data):
    return lay(tmp_path, data)


def start(here, *words, phase="", launcher=()):
    options = () if launcher else TWO
    return Started(here, "train", "r.toml", "-o", "run", *options, *words, phase=phase, launcher=launcher)


def errors(run):
    return [line for line in run.said.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize(
    ("failed", "code"),
    [
        ({}, 0),
        ({0: 75, 1: 75}, 75),
        ({1: 4, 0: 4}, 4),
        ({0: 2, 1: -15}, 2),
        ({0: 75, 1: 1}, 1),
        ({0: 5, 1: -9}, 5),
        ({0: 75, 1: -9}, 5),
        ({1: -9}, 5),
    ],
)
def test_the_exit_code_of_a_run_is_that_of_its_fault(capsys, failed, code):
    assert verdict(failed) == code
    told = "rank 1 by SIGKILL: ended from outside; --resume goes on" in capsys.readouterr().err
    assert told == (failed.get(1) == -9 and 5 not in failed.values())


@pytest.mark.slow
def test_two_processes_stop_and_save_and_one_goes_on(here):
    run = start(here, "budget_steps=99", phase="training").there(2).signal(signal.SIGTERM)
    assert run.ended(40) == 75, run.said
    (told,) = errors(run)
    assert "stopped after step" in told and told.endswith("of 99, saved; add --resume to continue")
    assert not [word for word in NOISE if word in run.said], run.said
    again = Started(here, "train", "r.toml", "-o", "run", "--resume", "budget_steps=30")
    assert again.ended(120) == 0, again.said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP"])
@pytest.mark.parametrize("phase", ["rows", "first evaluation", "data", "evaluation"])
def test_a_signal_to_the_launcher_stops_all(here, name, phase):
    run = start(here, phase=phase).there(2).signal(getattr(signal, name))
    assert run.ended(40) == 75, run.said
    assert len(errors(run)) == 1 and not [word for word in NOISE if word in run.said], run.said
    if phase in ("rows", "first evaluation"):
        assert "before the first step" in run.said and not (here / "run").exists()
    else:
        assert "saved; add --resume to continue" in run.said


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["data", "evaluation", "training"])
def test_a_signal_to_one_rank_stops_all(here, phase):
    run = start(here, "budget_steps=300", phase=phase).there(2)
    run.signal(signal.SIGUSR1, run.rank(1))
    if phase != "training":
        run.signal(signal.SIGUSR1, run.rank(0))
    assert run.ended(40) == 75, run.said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "code", "told"),
    [("optim.lr=-1", 2, "optim.lr"), ("data.path=nowhere", 2, "nowhere"), ("data.length=4096", 2, "data.length")],
)
def test_a_mistake_is_told_once(here, word, code, told):
    run = start(here, word)
    assert run.ended(60) == code, run.said
    (line,) = errors(run)
    assert told in line and not [word for word in NOISE if word in run.said], run.said


@pytest.mark.slow
def test_a_fault_keeps_its_exit_code(here):
    run = start(here, phase="broken")
    assert run.ended(60) == 1 and "ValueError: a bug" in run.said


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [(), TORCHRUN], ids=["processes", "torchrun"])
@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_rank_that_is_lost_is_named_and_ends_the_run(here, launcher, lost, number):
    run = start(here, "budget_steps=300", phase="training", launcher=launcher).there(2)
    run.until(lambda: any((here / "run").glob("checkpoints/step-00000005")))
    run.signal(number, run.rank(lost))
    code = run.ended(5 + 10)  # timeout_seconds is 5
    assert code == (1 if launcher else 5), run.said
    assert f"rank {lost}" in "".join(errors(run)) and "--resume goes on" in run.said, run.said
    if not launcher:
        assert len(errors(run)) == 1 and not [word for word in NOISE if word in run.said], run.said
    again = Started(here, "train", "r.toml", "-o", "run", "--resume", "budget_steps=30")
    assert again.ended(120) == 0, again.said


@pytest.mark.slow
def test_what_stands_still_hears_a_signal_and_stops_saved(here):
    run = start(here, "budget_steps=300", phase="training").there(2)
    for rank in (0, 1):
        run.signal(signal.SIGSTOP, run.rank(rank))
    run.signal(signal.SIGTERM)
    assert run.ended(15) == 75 and "saved; add --resume" in run.said, run.said


def state(process):
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.slow
def test_ctrl_z_holds_every_process_and_all_go_on_together(here):
    run = start(here, "budget_steps=30", phase="training").there(2).signal(signal.SIGTSTP)
    every = [run.process.pid, run.rank(0), run.rank(1)]
    run.until(lambda: [*map(state, every)] == ["T"] * 3, 10)
    run.signal(signal.SIGCONT)
    run.until(lambda: "T" not in map(state, every), 10)
    assert run.ended(60) == 0, run.said


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["rows", "data"])
def test_a_rank_that_does_not_come_is_named(here, phase):
    run = start(here, phase=f"{phase} of 1").there(1)
    assert run.ended(5 + 10) == 5 and "rank 1 of 2 did not come" in run.said, run.said  # timeout_seconds is 5


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [(), TORCHRUN], ids=["processes", "torchrun"])
def test_a_launcher_that_is_killed_leaves_nobody_training(here, launcher):
    run = start(here, "budget_steps=300", phase="training", launcher=launcher).there(2).signal(signal.SIGKILL)
    run.ended(15)
    assert any((here / "run" / "checkpoints").iterdir()), run.said
    assert "saved; add --resume to continue" in run.said and "Traceback" not in run.said, run.said


@pytest.mark.slow
def test_under_torchrun_the_last_words_are_that_it_is_saved(here):
    run = start(here, "budget_steps=300", phase="training", launcher=TORCHRUN).there(2)
    for rank in (0, 1):
        run.signal(signal.SIGUSR1, run.rank(rank))
    assert run.ended(40) == 1
    last = [line for line in run.said.splitlines() if line.strip("=- ")][-1]
    assert "saved; add --resume to continue" in last, run.said


@pytest.mark.slow
def test_two_processes_give_the_run_of_one(here, tmp_path):
    for folder, options in (("one", ()), ("two", TWO)):
        run = Started(here, "train", "r.toml", "-o", folder, *options)
        assert run.ended(120) == 0, run.said
    losses = [
        [json.loads(line).get("loss") for line in (here / folder / "metrics.jsonl").read_text().splitlines()]
        for folder in ("one", "two")
    ]
    assert losses[1] == [loss and pytest.approx(loss, rel=1e-5) for loss in losses[0]]
    assert weights(here / "two")
