"""A run of trackio stays on this machine, and goes on under its name."""

import json
import os
import sqlite3
import sys
from types import SimpleNamespace

import pytest

from trivium.train.track.tracker import TrackedRun
from trivium.train.track.trackio import Trackio


@pytest.fixture
def calls(monkeypatch):
    """What is asked of trackio, and where it would send it."""
    found = []
    made = SimpleNamespace(log=lambda record, step: found.append((step, record)), finish=lambda: found.append("finish"))

    def init(**given):
        print("* a line of trackio")
        found.append({**given, "sent": os.environ.get("TRACKIO_SPACE_ID")})
        return made

    monkeypatch.setitem(sys.modules, "trackio", SimpleNamespace(init=init))
    return found


def test_a_run_has_the_records_and_the_recipe(calls, tmp_path, capsys):
    sink = Trackio(project="mine").begin(TrackedRun(tmp_path, "run-ab12", 0, {"seed": 7}))
    sink.write({"step": 3, "loss": 2.5})
    sink.close()
    begun, *rest = calls
    assert begun["project"] == "mine" and begun["name"] == "run-ab12" and begun["resume"] == "allow"
    assert begun["config"] == {"seed": 7} and not begun["auto_log_cpu"] and not begun["auto_log_gpu"]
    assert rest == [(3, {"loss": 2.5}), "finish"]
    assert capsys.readouterr().out == "" and sink.where == "trackio show --project mine, run run-ab12"


def test_a_variable_of_the_environment_sends_nothing_away(calls, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TRACKIO_SPACE_ID", "me/space")
    Trackio().begin(TrackedRun(tmp_path, "run-ab12", 0, {}))
    assert calls[0]["sent"] is None and os.environ["TRACKIO_SPACE_ID"] == "me/space"
    assert "TRACKIO_SPACE_ID is not read" in capsys.readouterr().err


def test_trackio_keeps_both_parts_of_a_resumed_run_under_one_name(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "kept"))
    pytest.importorskip("trackio", reason="the extra `track` is not installed")
    monkeypatch.setattr("trackio.utils.TRACKIO_DIR", tmp_path / "kept", raising=False)
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path / "kept", raising=False)
    for step in (0, 1):
        sink = Trackio(project="p").begin(TrackedRun(tmp_path, "run-ab12", step, {"seed": 7}))
        sink.write({"step": step + 1, "loss": 2.5 - step})
        sink.close()
    rows = sqlite3.connect(tmp_path / "kept" / "p.db").execute(
        "select run_name, step, metrics from metrics order by id"
    )
    assert [(name, step, json.loads(text)["loss"]) for name, step, text in rows] == [
        ("run-ab12", 1, 2.5),
        ("run-ab12", 2, 1.5),
    ]
