"""Engine: where the tasks of a preparation run. Every kind runs the same functions and leaves the same bytes.

`local` uses processes of this machine, `ray` those of a Ray cluster, `slurm` the jobs of a batch system. The machines
of the latter two must see the data folder and the sources under the same paths.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import dropwhile
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from trivium.base import plugin
from trivium.base.config import Choice, Config, Seq
from trivium.base.errors import DataError
from trivium.base.files import write_text
from trivium.base.log import progress
from trivium.base.process import processes
from trivium.corpus.stages import STAGES, Stage, attempt
from trivium.corpus.work import Work

AGAIN = "finished work is kept: the same command goes on from there"


class Engine(Choice):
    """A place where tasks run."""

    kinds: ClassVar[dict[str, type["Engine"]]]
    here: ClassVar[bool] = True
    """Whether the work is done when `run` returns; else it is handed on, publishing included."""

    def run(self, work: Work, say: Callable[[str], None]) -> None:
        """Do every task that is not done, stage after stage."""
        for stage in STAGES:
            todo = stage.todo(work)
            if not todo:
                continue
            say(stage.title)
            total = len(todo) if len(todo) > 1 else None  # of a single task nothing is known before its end
            with progress(stage.title, total, "files" if stage.over == "files" else "shards") as bar:
                self.do(work, stage, todo, bar.update)
            # An engine may lose a task without an error.
            if left := stage.todo(work):
                raise DataError(f"{work.data}: {stage.title}: shards {left} have no result; {AGAIN}")

    def do(self, work: Work, stage: Stage, shards: Sequence[int], done: Callable[[int], None]) -> None:
        """Do one stage for some shards; `done` takes the number of finished ones. Raises the DataError of a task."""
        raise NotImplementedError


class Local(Engine, kind="local"):
    """Processes of this machine; with one worker, this process."""

    workers: int | None = Field(None, ge=1)
    """None is the number of cores that this process may use."""

    def do(self, work: Work, stage: Stage, shards: Sequence[int], done: Callable[[int], None]) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = min(len(shards), self.workers or cores)
        if workers == 1:
            for count, shard in enumerate(shards, start=1):
                if why := attempt(str(work.data), stage.name, shard):
                    raise DataError(why)
                done(count)
            return
        crew: dict[Connection, BaseProcess] = {}
        waiting, count = list(reversed(shards)), 0
        try:
            for _ in range(workers):
                connection, process = _worker(str(work.data), stage.name)
                crew[connection] = process
                connection.send(waiting.pop())
            while crew:
                for connection in [one for one in wait(list(crew)) if isinstance(one, Connection)]:
                    if why := connection.recv():
                        raise DataError(why)
                    done(count := count + 1)
                    if waiting:
                        connection.send(waiting.pop())
                    else:
                        connection.send(None)
                        crew.pop(connection).join()
        except (EOFError, OSError):
            lost = "a worker died before its shard was done: killed, or out of memory"
            raise DataError(f"{work.data}: {stage.title}: {lost}; {AGAIN}") from None
        finally:
            for process in crew.values():
                process.terminate()
                process.join()


def _worker(folder: str, stage: str) -> tuple[Connection, BaseProcess]:
    """Return a process that does the shards it is sent, and the connection to it, which breaks when the process dies.

    The executors of the standard library may wait for ever when a worker dies while others start.
    """
    context = processes(attempt.__module__)
    ours, theirs = context.Pipe()
    process: BaseProcess = context.Process(target=_serve, args=(theirs, folder, stage, plugin.paths()), daemon=True)
    process.start()
    theirs.close()  # the process has its own copy, and the last one breaks the connection
    return ours, process


def _serve(wire: Connection, folder: str, stage: str, imports: Sequence[str]) -> None:
    """Do one shard after the other until None comes. The processes run in parallel, so encoders get one thread."""
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    for shard in iter(wire.recv, None):
        wire.send(attempt(folder, stage, shard, imports))


class Ray(Engine, kind="ray"):
    """A Ray cluster: the one at `address`, or a new one of this machine's cores."""

    address: str | None = None
    cpus: float = Field(1.0, gt=0)
    """Cores for each task."""

    def do(self, work: Work, stage: Stage, shards: Sequence[int], done: Callable[[int], None]) -> None:
        ray = plugin.extra("ray", "--engine ray")
        if not ray.is_initialized():
            ray.init(address=self.address, log_to_driver=False, include_dashboard=False, logging_level="ERROR")
        remote: Any = ray.remote(num_cpus=self.cpus, max_retries=0)(attempt)
        same = (str(work.data.absolute()), stage.name)
        waiting = {remote.remote(*same, shard, plugin.paths()): shard for shard in shards}
        while waiting:
            ready, _ = ray.wait(list(waiting), num_returns=1)
            try:
                why = ray.get(ready[0])
            except ray.exceptions.RayError as lost:
                cause = str(lost).strip().splitlines()[-1]
                why = f"{work.data}: {stage.title}, shard {waiting[ready[0]]}: {cause}; {AGAIN}"
            if why:
                for task in waiting:
                    ray.cancel(task)
                raise DataError(why)
            del waiting[ready[0]]
            done(len(shards) - len(waiting))


class Slurm(Engine, kind="slurm"):
    """Jobs of Slurm: an array for a stage of each shard, else one job; each starts when the one before has succeeded.

    The scripts and the output of the jobs are in `slurm/` of the work folder.
    """

    options: Seq[str] = ()
    """Further options of `sbatch`: ["--partition=cpu", "--time=4:00:00"]."""
    wait: bool = False
    """Whether to wait for the last job to end."""

    here: ClassVar[bool] = False

    def run(self, work: Work, say: Callable[[str], None]) -> None:
        before: str | None = None
        left = list(dropwhile(lambda stage: not stage.todo(work), STAGES))
        jobs = [(stage.name, len(stage.tasks(work)) if stage.over != "all" else 0) for stage in left]
        for name, tasks in [*jobs, ("publish", 0)]:
            script = self.script(work, name, tasks)
            words = [*self.options, "--parsable", *(["--wait"] if self.wait and name == "publish" else [])]
            if before is not None:
                words += [f"--dependency=afterok:{before}", "--kill-on-invalid-dep=yes"]
            before = submit([*words, str(script)])
            say(f"job {before}: {name}, {tasks or 1} {'tasks' if tasks > 1 else 'task'}")

    def script(self, work: Work, stage: str, tasks: int) -> Path:
        """Write the script of a stage: one command, which does one task."""
        folder = work.folder / "slurm"
        words = [sys.executable, "-m", "trivium", "prepare", "--stage", stage, "--plan", work.plan.key]
        words += [word for path in plugin.paths() for word in ("--imports", path)]
        words += ["--out", str(work.data.absolute())]
        lines = ["#!/bin/bash", f"#SBATCH --job-name=trivium-{stage}", f"#SBATCH --output={folder}/{stage}-%A_%a.out"]
        lines += [f"#SBATCH --array=0-{tasks - 1}"] if tasks else []
        lines += [f'exec {shlex.join(words)} --shard "${{SLURM_ARRAY_TASK_ID:-0}}"']
        path = folder / f"{stage}.sh"
        write_text(path, "\n".join(lines) + "\n")
        return path


class Running(Config):
    """The engine of a command."""

    engine: Engine = Local()


def submit(words: list[str]) -> str:
    """Hand a script to `sbatch`; return the number of the job. Raises DataError if that fails."""
    try:
        said = subprocess.run(["sbatch", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DataError("--engine slurm: no `sbatch` on this machine: run it where jobs are submitted") from None
    if said.returncode:
        why = (said.stderr or said.stdout).strip().splitlines() or [f"exit code {said.returncode}"]
        raise DataError(f"--engine slurm: sbatch {words[-1]}: {why[-1]}")
    return said.stdout.strip().splitlines()[-1].partition(";")[0]
