"""A run of wandb is offline unless the recipe says otherwise, and goes on under its id."""

import sys
from types import SimpleNamespace

import pytest

from trivium.train.track.tracker import TrackedRun
from trivium.train.track.wandb import WandB

RECORD = {"step": 1, "loss": 2.5, "reason": "none"}


@pytest.fixture
def calls(monkeypatch):
    """What is asked of wandb."""
    found = []
    made = SimpleNamespace(
        log=lambda record: found.append(record),
        finish=lambda: found.append("finish"),
        define_metric=lambda name, step_metric: found.append((name, step_metric)),
        url="https://example.org/run",
    )

    def init(**given):
        found.append(given)
        return made

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Settings=lambda **given: given))
    return found


def test_a_run_is_offline_with_the_records_and_the_recipe(calls, tmp_path):
    sink = WandB().begin(TrackedRun(tmp_path, "run-ab12", 0, {"seed": 7}))
    sink.write(RECORD)
    sink.close()
    begun, axis, *rest = calls
    assert begun["mode"] == "offline" and begun["id"] == "ab12" and begun["resume"] == "allow"
    assert begun["config"] == {"seed": 7} and begun["dir"] == str(tmp_path) and begun["name"] == tmp_path.name
    assert axis == ("*", "step") and rest == [RECORD, "finish"]
    assert "wandb sync" in sink.where and "ab12" in sink.where


def test_a_run_is_online_only_where_the_recipe_says_so(calls, tmp_path):
    sink = WandB(mode="online", project="mine").begin(TrackedRun(tmp_path, "run-ab12", 0, {}))
    assert calls[0]["mode"] == "online" and calls[0]["project"] == "mine" and sink.where == "https://example.org/run"


@pytest.mark.slow
def test_wandb_keeps_both_parts_of_a_resumed_run_under_one_id(tmp_path):
    pytest.importorskip("wandb", reason="the extra `track` is not installed")
    for step in (0, 1):
        sink = WandB().begin(TrackedRun(tmp_path, "run-ab12cd34", step, {"seed": 7}))
        sink.write({**RECORD, "step": step + 1})
        sink.close()
    files = [*tmp_path.glob("wandb/offline-run-*-ab12cd34/run-ab12cd34.wandb")]
    assert files and all(b"loss" in path.read_bytes() for path in files)
