"""A grid runs once: done cells are kept, an interrupted one goes on, one that is taken is left to its owner."""

import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trivium.base.errors import TriviumError
from trivium.study import ablate as room
from trivium.study.ablate import Job, ablate, run_jobs
from trivium.study.grid import read_axis
from trivium.study.trial import seconds_per_step
from trivium.train.recipe import read_recipe

AXES = [read_axis("model.decoder.norm=rms,layer")]


def job(here: Path, folder: Path, **changes: int) -> Job:
    recipe = read_recipe(here / "r.toml").replace(**changes)
    folder.mkdir(parents=True, exist_ok=True)
    return Job("cell", folder, recipe)


@pytest.fixture(scope="module")
def grid(here: Path) -> tuple[Path, dict]:
    """Two cells with two seeds, run."""
    return here / "grid", ablate(here / "r.toml", [], AXES, here / "grid", seeds=2, workers=2)


def test_a_grid_is_run_folders_and_one_page(grid: tuple[Path, dict]) -> None:
    folder, report = grid
    assert {(one["cell"], one["seed"]) for one in report["results"]} == {
        ("base", 0),
        ("base", 1),
        ("norm-layer", 0),
        ("norm-layer", 1),
    }
    for one in report["results"]:
        run = folder / one["cell"] / str(one["seed"])
        assert json.loads((run / "recipe.json").read_text())["recipe"]["seed"] == one["seed"]
        assert (run / "model" / "model.safetensors").is_file()
        assert one["tokens_per_second"] > 0 and one["peak_mb"] > 0 and 5 * 128 < one["tokens"] <= 6 * 128
        valid = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines() if "valid" in line]
        assert one["loss"] == valid[-1]["valid_loss"]
    assert len({one["loss"] for one in report["results"]}) == 4
    assert all((folder / f"ablate.{end}").is_file() for end in ("html", "png", "json"))
    assert "norm: layer against rms" in (folder / "ablate.html").read_text()


def test_what_is_done_is_not_run_again(here: Path, grid: tuple[Path, dict], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, report = grid
    monkeypatch.setattr(multiprocessing, "get_context", lambda name: type("No", (), {"set_forkserver_preload": id})())
    assert ablate(here / "r.toml", [], AXES, folder, seeds=2)["results"] == report["results"]


def test_another_budget_in_the_same_folder_is_an_error(here: Path, grid: tuple[Path, dict]) -> None:
    with pytest.raises(TriviumError, match="another recipe or budget; name another folder"):
        ablate(here / "r.toml", ["budget_steps=7"], AXES, grid[0], seeds=2)


def test_a_field_that_came_later_is_no_other_recipe(here: Path, grid: tuple[Path, dict]) -> None:
    path = grid[0] / "base" / "0" / "recipe.json"
    record = json.loads(path.read_text())
    del record["recipe"]["keep_checkpoints"]
    path.write_text(json.dumps(record))
    assert len(ablate(here / "r.toml", [], AXES, grid[0], seeds=2)["results"]) == 4


@pytest.mark.slow
def test_a_stopped_grid_saves_and_goes_on(here: Path, tmp_path: Path) -> None:
    """SIGTERM between steps; a later command trains only the steps that are missing."""

    def command(steps: int) -> list[str]:
        return [
            sys.executable,
            "-m",
            "trivium",
            "ablate",
            str(here / "r.toml"),
            f"budget_steps={steps}",
            "--axis",
            "model.decoder.norm=rms,layer",
            "--seeds",
            "1",
            "-o",
            str(tmp_path / "grid"),
        ]

    process = subprocess.Popen(command(4000), stdout=subprocess.PIPE, text=True)
    metrics = tmp_path / "grid" / "base" / "0" / "metrics.jsonl"
    for _ in range(600):
        if metrics.is_file() and metrics.read_text().count("\n") >= 1:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    assert process.returncode == 75
    saved = list((metrics.parent / "checkpoints").glob("step-*"))
    assert saved and not (metrics.parent / "result.json").exists()
    stopped = max(int(path.name.removeprefix("step-")) for path in saved)
    before = metrics.read_text()
    subprocess.run(command(stopped + 5), check=True, stdout=subprocess.PIPE)
    assert metrics.read_text().startswith(before), "steps before the stop were taken again"
    assert json.loads((metrics.parent / "result.json").read_text())["steps"] == stopped + 5


def test_a_cell_that_another_holds_is_left_alone(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    mine = job(here, tmp_path / "cell")
    lock = os.open(mine.folder / ".claim", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert run_jobs([mine], 1, 1) == []
    assert not mine.result.exists() and "another worker has it" in capsys.readouterr().out
    os.close(lock)
    assert run_jobs([mine], 1, 1) == []
    assert mine.result.exists()


def test_a_cell_that_cannot_run_is_told_and_the_others_run(here: Path, tmp_path: Path) -> None:
    broken = job(here, tmp_path / "broken")
    broken = broken._replace(recipe=broken.recipe.replace(data=broken.recipe.data.replace(path=["nowhere"])))
    good = job(here, tmp_path / "good")
    failed = run_jobs([broken, good], 1, 1)
    assert len(failed) == 1 and "broken" in failed[0] and "nowhere" in failed[0]
    assert good.result.exists()


def test_seeds_come_in_turns(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []
    monkeypatch.setattr(
        room, "run_jobs", lambda jobs, *rest: seen.extend((one.name, one.recipe.seed) for one in jobs) or []
    )
    ablate(here / "r.toml", ["seed=5"], AXES, tmp_path, seeds=2)
    assert seen == [("base", 5), ("norm-layer", 5), ("base", 6), ("norm-layer", 6)]


def test_a_time_is_taken_once(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(here / "r.toml")
    assert 0 < seconds_per_step(recipe) < 5
    taken = iter([0.5, 0.25])
    monkeypatch.setattr(room, "seconds_per_step", lambda recipe: next(taken))
    plans: list[list[int | None]] = []
    monkeypatch.setattr(room, "run_jobs", lambda jobs, *_: plans.append([j.recipe.budget_steps for j in jobs]) or [])
    for _ in range(2):
        ablate(here / "r.toml", [], AXES, tmp_path, "time", seeds=1, minutes=0.5)
    assert plans == [[60, 120]] * 2
