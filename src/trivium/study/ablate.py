"""Ablation: run every cell of a grid for some seeds, each in a process of its own, and report.

A cell and a seed is an ordinary run folder, `FOLDER/CELL/SEED` (`FOLDER/CELL/VALUE/SEED` where a value is tuned), with
a `result.json` when it is done. Finished runs are kept, an interrupted one goes on from its checkpoint. A process that
works on one holds its lock file, so several workers, or several machines that share a disk and get the same command,
take different ones.
"""

import contextlib
import math
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing import connection
from pathlib import Path
from typing import Any, NamedTuple

import torch

from trivium.base import plugin
from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError, TriviumError
from trivium.base.files import fingerprint, locked, read_json, write_json
from trivium.base.log import duration, say
from trivium.base.process import Interrupted, processes, stopping
from trivium.study import tune, verdict
from trivium.study.grid import Axis, Cell, Match, base_steps, budget, config_of, count, lay_out, matched
from trivium.study.trial import measured, seconds_per_step
from trivium.study.tune import Optimum, Sweep, Tuned
from trivium.train.recipe import Recipe

BUSY, FAILED = 11, 12
"""Exit codes of a process that found its cell taken, or could not train it."""


class Job(NamedTuple):
    """A cell, its run folder, and its recipe with a seed."""

    name: str
    folder: Path
    recipe: Recipe

    @property
    def result(self) -> Path:
        """The file that shows that it is done."""
        return self.folder / "result.json"


def ablate(
    recipe: Path,
    overrides: Sequence[str],
    axes: Sequence[Axis],
    folder: Path,
    match: Match = "params",
    seeds: int = 3,
    minutes: float | None = None,
    workers: int = 1,
    cross: bool = False,
    sweep: Sweep | None = None,
) -> dict[str, Any]:
    """Run what is missing of a grid; return its report, which is also written to `folder` as page, PNG and JSON.

    `minutes` is the time of one run of the recipe itself, `match` what the cells have equal: see `grid`. With `sweep`
    each cell is compared at its best value: see `tune`. Raises TriviumError for a wrong grid, and at the end for runs
    that failed.
    """
    if seeds < 1 or workers < 1:
        raise TriviumError(f"ablate: expected at least 1 seed and 1 worker, found {seeds} and {workers}")
    base, cells, comparisons = lay_out(recipe, overrides, axes, cross)
    threads = _threads(workers)
    seconds = partial(_timed, folder=folder, threads=threads)
    steps = base_steps(base, minutes, seconds)
    cells = matched(base, cells, match, axes, steps, seconds)
    tries = tune.tries(cells, axes, sweep, match) if sweep else []
    say(f"{len(cells)} cells x {seeds} seeds, equal {match}")
    for cell in cells:
        said = f"{count(cell.recipe):>12,} parameters  {cell.recipe.budget_steps:>7,} steps  {cell.note}"
        say(f"  {cell.name:<24} {said.rstrip()}")
    failed, tuned = list[str](), None
    if sweep:
        optima, failed = _optima(cells, tries, sweep, folder, match, workers, threads)
        tuned = Tuned(sweep, optima)
    best = {name: one.value for name, one in tuned.optima.items() if one.finished} if tuned else {}
    chosen = [tune.at(cell, sweep, best[cell.name], match) for cell in cells if cell.name in best] if sweep else cells
    jobs = [_job(folder, cell, turn) for turn in range(seeds) for cell in chosen]
    failed += run_jobs(jobs, workers, threads)
    done = [job for job in jobs if job.result.is_file()]
    results = [
        {"cell": job.name, "seed": job.recipe.seed, "run": str(job.folder.relative_to(folder)), **read_json(job.result)}
        for job in done
    ]
    if tuned and len(tuned.optima) < len(cells):
        say(f"{len(cells) - len(tuned.optima)} of {len(cells)} searches are not done; the same command goes on")
    if len(done) < len(jobs):
        say(f"{len(jobs) - len(done)} of {len(jobs)} runs are not done; the same command goes on")
    report: dict[str, Any] = {}
    if results:
        notes = {cell.name: cell.note for cell in cells}
        equal = budget(base, match, steps, seconds)
        report = verdict.report(folder, equal, comparisons, results, notes, tuned)
    if failed:
        raise TriviumError("\n".join(dict.fromkeys(failed)))
    return report


def _job(folder: Path, cell: Cell, turn: int = 0) -> Job:
    """Return the run of a cell with the seed of its recipe, or a later one."""
    seed = cell.recipe.seed + turn
    return Job(cell.name, folder / cell.name / cell.place / str(seed), cell.recipe.replace(seed=seed))


def _optima(
    cells: Sequence[Cell],
    placed: Sequence[tuple[Cell, float]],
    sweep: Sweep,
    folder: Path,
    match: Match,
    workers: int,
    threads: int,
) -> tuple[dict[str, Optimum], list[str]]:
    """Run cells at their values, and at more where an optimum is at the edge; return the optima, and the errors.

    A cell of which a run is missing, because it failed or because another worker has it, has none.
    """
    optima, failed, whole = {cell.name: Optimum() for cell in cells}, list[str](), {cell.name for cell in cells}
    for left in reversed(range(tune.WIDENINGS + 1)):
        jobs = [_job(folder, cell) for cell, _ in placed]
        say(f"{len(jobs)} runs to find the best {sweep.key}; a grid may grow {left} times")
        failed += run_jobs(jobs, workers, threads)
        for job, (cell, value) in zip(jobs, placed, strict=True):
            if not job.result.is_file():
                whole.discard(cell.name)
                continue
            found, one = read_json(job.result), optima[cell.name]
            one.losses[value] = math.inf if found["loss"] is None else found["loss"]
            if found["loss"] is None:
                one.reasons[value] = found["unfinished"]
        searched = [cell for cell in cells if left and cell.name in whole]
        placed = [more for cell in searched if (more := tune.grown(cell, optima[cell.name], sweep, match))]
        if not placed:
            break
    return {name: one for name, one in optima.items() if name in whole}, failed


def run_jobs(jobs: Sequence[Job], workers: int, threads: int) -> list[str]:
    """Run the jobs that are not done, `workers` at a time; return the errors. A signal stops all after their step."""
    waiting = [job for job in jobs if not _done(job)]
    context = processes(__name__, "torch._dynamo")  # which every optimizer imports, in seconds
    running: dict[Any, tuple[Job, Any, float]] = {}
    failed: list[str] = []
    told = False
    with stopping() as stop, stop.holding():
        while waiting or running:
            while waiting and len(running) < workers and not stop.is_set():
                job = waiting.pop(0)
                job.folder.mkdir(parents=True, exist_ok=True)
                process = context.Process(target=work, args=(job.folder, dump(job.recipe), plugin.paths(), threads))
                process.start()
                running[process.sentinel] = job, process, time.monotonic()
            if stop.is_set() and not told:
                told = True  # once: a second signal would end a run before it is saved
                for _, process, _ in running.values():
                    process.terminate()
            for sentinel in connection.wait(list(running), timeout=1):
                job, process, began = running.pop(sentinel)
                process.join()
                if process.exitcode == BUSY:
                    say(f"{job.folder}: another worker has it")
                elif job.result.is_file():
                    _tell(job, len(jobs) - len(waiting) - len(running), len(jobs), time.monotonic() - began)
                elif not stop.is_set():
                    failed.append(f"{job.folder}: {_last_line(job.folder / 'log.txt')}")
                    say(failed[-1])
            if stop.is_set() and not running:
                raise Interrupted("ablate: stopped, every run saved; the same command goes on")
    return failed


def work(folder: Path, tree: dict[str, Any], imports: Sequence[str], threads: int) -> None:
    """Train one cell and seed and write its result: the main function of a process."""
    if hasattr(os, "setsid"):
        os.setsid()  # the parent gets the signals of the terminal, and passes them on
    torch.set_num_threads(threads)
    with open(folder / "log.txt", "a", encoding="utf-8", buffering=1) as log, locked(folder / ".claim") as mine:
        if not mine:
            sys.exit(BUSY)
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            try:
                plugin.load(imports)
                if not (folder / "result.json").is_file():
                    write_json(folder / "result.json", measured(parse(Recipe, tree), folder))
            except TriviumError as error:
                print(error)
                sys.exit(error.exit_code if isinstance(error, Interrupted) else FAILED)


def _timed(cell: Cell, folder: Path, threads: int) -> float:
    """Return the seconds of a step of a cell, timed once, so that every later call makes the same plan."""
    path = folder / "timing.json"
    known = read_json(path) if path.is_file() else {}
    key = f"{cell.name} {fingerprint(dump(config_of(cell.recipe)))}"
    if key not in known:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        known[key] = seconds_per_step(cell.recipe)
        torch.set_num_threads(before)
        write_json(path, known)
        say(f"{cell.name}: {known[key]:.3f} s a step")
    return float(known[key])


def _done(job: Job) -> bool:
    """Return whether a job is done. A field that the old recipe does not have yet makes no difference.

    Raises TriviumError if its folder holds a run of another recipe.
    """
    if not job.result.is_file():
        return False
    with contextlib.suppress(ConfigError):
        old = parse(Recipe, read_json(job.folder / "recipe.json")["recipe"])
        data = old.data.replace(path=job.recipe.data.path, valid=job.recipe.data.valid)  # wherever the data lies
        if old.replace(data=data) == job.recipe:
            return True
    raise TriviumError(f"{job.folder}: holds a run of another recipe or budget; name another folder")


def _threads(workers: int) -> int:
    """Return the threads of each worker: `OMP_NUM_THREADS`, else an equal part of the cores."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else max(1, torch.get_num_threads() // workers)


def _tell(job: Job, done: int, all_of: int, seconds: float) -> None:
    result = read_json(job.result)
    loss = result["unfinished"] or f"loss {result['loss']:.4f}"
    name = job.name if job.folder.parent.name == job.name else f"{job.name}, {job.folder.parent.name}"
    say(
        f"{done}/{all_of}  {name}, seed {job.recipe.seed}: {loss}, {result['tokens_per_second']:,} tokens/s, "
        f"{duration(seconds)}"
    )


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").strip().splitlines() if path.is_file() else []
    return f"{lines[-1] if lines else 'ended without output'} (see {path.name})"
