"""A tracker has the records of metrics.jsonl, each once; one that fails is named once, and the run goes on."""

import json
from pathlib import Path
from typing import ClassVar

import pytest

from runs import interrupt, pretraining
from trivium.base.errors import DataError
from trivium.base.process import Interrupted
from trivium.task.run import run
from trivium.train.track.tracker import Sink, Tracker, Tracks, identity

KEPT: dict[str, list[dict]] = {}


class Memory(Tracker):
    """A tracker in memory, which only these tests know."""

    kind: ClassVar[str] = "memory"
    module: ClassVar[str] = "json"
    fails: int | None = None

    def begin(self, run):
        if self.fails == 0:
            raise RuntimeError("no server\nanswers")
        records = KEPT.setdefault(run.identity, [])
        begun = len(records)

        def write(record):
            if self.fails is not None and len(records) - begun + 1 >= self.fails:
                raise RuntimeError("it is broken")
            records.append(dict(record))

        return Sink(write, lambda: records.append({"step": -1}), "here")


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(Tracker.kinds, "memory", Memory)
    KEPT.clear()


def tracked() -> list[dict]:
    (records,) = KEPT.values()
    return [record for record in records if record["step"] >= 0]


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_tracker_gets_the_very_records_of_the_metrics(data, tmp_path, capsys):
    run(pretraining(data).replace(track=(Memory(),)), tmp_path / "run")
    assert tracked() == lines(tmp_path / "run") and len(tracked()) == 4 + 3
    assert next(iter(KEPT.values()))[-1] == {"step": -1}, "it was closed"
    assert [*KEPT] == [identity(tmp_path / "run")] and next(iter(KEPT)).startswith("run-")
    assert "tracked by memory: here" in capsys.readouterr().out


def test_a_resumed_run_goes_on_in_the_same_tracked_run_and_no_step_is_there_twice(data, tmp_path, monkeypatch):
    recipe = pretraining(data, budget_steps=8, save_every_steps=3).replace(track=(Memory(),))
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt(patch, 5)
        run(recipe, tmp_path / "run")
    run(recipe, tmp_path / "run", from_step=3)  # steps 4 and 5 are done again
    found = [(record["step"], "valid_loss" in record) for record in tracked()]
    assert len(set(found)) == len(found) and {step for step, _ in found} == {*range(9)}
    assert {key: one.get("loss") for key, one in zip(found, tracked(), strict=True)} == {
        (one["step"], "valid_loss" in one): one.get("loss") for one in lines(tmp_path / "run")
    }


def test_a_step_with_another_loss_is_tracked_beside_the_first(tmp_path):
    before = [{"step": 4, "loss": 2.0}, {"step": 4, "valid_loss": 3.0}]
    tracks = Tracks((Memory(),), tmp_path, {}, 3, before)
    for record in ({"step": 4, "loss": 2.1}, {"step": 4, "valid_loss": 3.0001}, {"step": 5, "loss": None}):
        tracks.write(record)
    assert tracked() == [{"step": 4, "loss": 2.1}, {"step": 5, "loss": None}]


def test_what_can_rewind_gets_every_step_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Memory, "rewinds", True)
    Tracks((Memory(),), tmp_path, {}, 3, [{"step": 4, "loss": 2.0}]).write({"step": 4, "loss": 2.0})
    assert tracked() == [{"step": 4, "loss": 2.0}]


@pytest.mark.parametrize("fails", [0, 1, 4])
def test_a_tracker_that_fails_is_named_once_and_the_run_goes_on(data, tmp_path, capsys, fails):
    run(pretraining(data).replace(track=(Memory(fails=fails),)), tmp_path / "run")
    said = capsys.readouterr().err
    why = "it is broken" if fails else "no server answers"
    assert said.count(f"track: memory failed: {why}; training goes on without it") == 1
    assert len(lines(tmp_path / "run")) == 7 and (tmp_path / "run" / "model").is_dir()


def test_a_library_that_is_missing_is_told_before_anything_is_done(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Memory, "module", "no_such_tracker")
    with pytest.raises(DataError, match=r"^track: memory needs no_such_tracker: pip install no_such_tracker$"):
        run(pretraining(data).replace(track=(Memory(),)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_not_tracked_has_no_file_of_it(data, tmp_path):
    run(pretraining(data), tmp_path / "run")
    assert not (tmp_path / "run" / "track.json").exists() and not KEPT


def test_a_run_that_is_trained_anew_is_another_tracked_run(data, tmp_path):
    recipe = pretraining(data).replace(track=(Memory(),))
    run(recipe, tmp_path / "run")
    run(recipe, tmp_path / "run", force=True)
    assert len(KEPT) == 2
