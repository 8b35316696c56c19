"""A grid runs once: done cells are kept, an interrupted one goes on, one that is taken is left to its owner."""

import contextlib
import fcntl
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from trivium.base.config import dump
from trivium.base.errors import TriviumError
from trivium.base.files import write_json
from trivium.base.process import Interrupted
from trivium.study import ablate as room
from trivium.study.ablate import Job, ablate, run_jobs
from trivium.study.grid import read_axis
from trivium.study.trial import seconds_per_step
from trivium.study.tune import read_sweep
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


OPTIMA = {"base": 4e-3, "norm-layer": 32e-3}
"""The best rate of each cell in the pretended runs below; layer is better there, and worse at 4e-3."""


def pretended(done: list[tuple[str, float, int]], most: int = 99) -> Callable[..., list[str]]:
    """A `run_jobs` whose losses are known; a stop comes after `most` runs."""

    def run(jobs: Sequence[Job], *_: object) -> list[str]:
        for one in jobs:
            if room._done(one):
                continue
            if len(done) == most:
                raise Interrupted("stopped")
            rate, seed = one.recipe.optim.lr, one.recipe.seed
            done.append((one.name, rate, seed))
            better = 0.1 * (one.name == "norm-layer")
            loss = 4 - better + 0.2 * math.log2(rate / OPTIMA[one.name]) ** 2 + 0.001 * seed
            lost = rate > 0.05
            one.folder.mkdir(parents=True, exist_ok=True)
            (one.folder / "metrics.jsonl").write_text(
                "".join(json.dumps({"step": step, "loss": loss, "valid_loss": loss}) + "\n" for step in range(1, 7))
            )
            result = {"loss": None if lost else loss, "unfinished": "step 3" if lost else None, "tokens_per_second": 9}
            result |= {"peak_mb": 1.0, "parameters": 9, "steps": 6, "tokens": 768, "threads": 1}
            write_json(one.folder / "recipe.json", {"recipe": dump(one.recipe)})
            write_json(one.result, result)
        return []

    return run


SWEEP = read_sweep("optim.lr=2e-3,4e-3,8e-3")


def test_each_cell_is_compared_at_its_own_best_value(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """At one rate for all layer is worse by 1.7; at its own it is better by 0.1, which the verdict says."""
    done: list[tuple[str, float, int]] = []
    monkeypatch.setattr(room, "run_jobs", pretended(done))
    report = ablate(here / "r.toml", [], AXES, tmp_path, seeds=3, sweep=SWEEP)
    searched = [(name, rate) for rate in (2e-3, 4e-3, 8e-3) for name in OPTIMA]
    grown = [("norm-layer", 16e-3), ("norm-layer", 32e-3), ("norm-layer", 64e-3)]
    later = [(name, rate, seed) for seed in (1, 2) for name, rate in OPTIMA.items()]
    assert done == [*((name, rate, 0) for name, rate in (*searched, *grown)), *later]
    (sentence, lost) = report["comparisons"][0]["sentences"]
    assert "layer against rms: better by 0.1000 nats" in sentence
    assert "each at its best optim.lr: 0.032 against 0.004)" in sentence and "edge" not in sentence
    assert lost == "layer: optim.lr=0.064 did not finish: step 3."
    assert {(one["cell"], one["run"]) for one in report["results"]} == {
        (name, f"{name}/lr-{rate:g}/{seed}") for name, rate in OPTIMA.items() for seed in range(3)
    }
    said, html = capsys.readouterr().out, (tmp_path / "ablate.html").read_text()
    assert "4.0000 *" in said and "3.9000 *" in html and "its own best optim.lr" in html
    assert report["tune"]["optima"]["norm-layer"]["best"] == 32e-3


def test_an_optimum_that_stays_at_the_edge_is_said(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "run_jobs", pretended([]))
    report = ablate(here / "r.toml", [], AXES, tmp_path, seeds=2, sweep=read_sweep("optim.lr=1e-3,2e-3"))
    verdict, edge = report["comparisons"][0]["sentences"]
    assert "0.016, at the edge of its grid, against 0.004" in verdict
    assert edge.startswith("layer: its best optim.lr, 0.016, is the largest that was tried, at the edge of the grid")


def test_a_killed_search_goes_on_with_what_is_missing(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[tuple[str, float, int]] = []
    monkeypatch.setattr(room, "run_jobs", pretended(whole))
    expected = ablate(here / "r.toml", [], AXES, tmp_path / "whole", seeds=2, sweep=SWEEP)
    parts: list[tuple[str, float, int]] = []
    for most in (4, 8, 99):
        monkeypatch.setattr(room, "run_jobs", pretended(parts, most))
        with contextlib.suppress(Interrupted):
            report = ablate(here / "r.toml", [], AXES, tmp_path / "parts", seeds=2, sweep=SWEEP)
    assert parts == whole and report == expected


def test_a_search_without_some_run_gives_no_optimum(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Another worker has a run: the smallest loss of the others is no optimum."""
    run = pretended([])
    taken = lambda jobs, *rest: run([one for one in jobs if (one.name, one.recipe.optim.lr) != ("base", 4e-3)])
    monkeypatch.setattr(room, "run_jobs", taken)
    report = ablate(here / "r.toml", [], AXES, tmp_path, seeds=2, sweep=SWEEP)
    assert "1 of 2 searches are not done; the same command goes on" in capsys.readouterr().out
    assert report["comparisons"][0]["sentences"][0].endswith(
        "layer against rms: not run yet, at " + report["budget"] + "."
    )


@pytest.mark.slow
def test_a_search_trains_for_real(here: Path, tmp_path: Path) -> None:
    """A rate that is far too large is never the best one, and the curve says what its runs gave."""
    sweep = read_sweep("optim.lr=1e-3,1e-2,50")
    report = ablate(here / "r.toml", ["clip=0"], AXES, tmp_path, seeds=2, workers=2, sweep=sweep)
    for name, one in report["tune"]["optima"].items():
        assert one["best"] < 1 and len(one["losses"]) >= 3
        for rate, loss in one["losses"].items():
            result = json.loads((tmp_path / name / f"lr-{rate}" / "0" / "result.json").read_text())
            assert result["loss"] == loss
    assert len(report["results"]) == 4 and "each at its best optim.lr" in report["comparisons"][0]["sentences"][0]
