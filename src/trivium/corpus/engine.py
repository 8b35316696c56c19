"""Engine: where the tasks of a preparation are done. Every kind runs the same functions and leaves the same bytes.

`local` uses processes of this machine, `ray` those of a Ray cluster, `slurm` the jobs of a batch system; the machines
of the latter two must see the data folder and the sources under the same paths. An engine refuses to know what a task
is.
"""

import multiprocessing
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
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
from trivium.corpus.plan import Work
from trivium.corpus.stages import STAGES, Stage, attempt

AGAIN = "what is done is kept: the same command goes on from there"


class Engine(Choice):
    """A place to do work."""

    kinds: ClassVar[dict[str, type["Engine"]]]
    here: ClassVar[bool] = True
    """Whether the work is done when `run` returns; else it was handed on, publishing included."""

    def run(self, work: Work, say: Callable[[str], None]) -> None:
        """Do every task that is not done, stage after stage."""
        for stage in STAGES:
            todo = stage.todo(work)
            if not todo:
                continue
            say(stage.says)
            with progress(stage.says, len(todo), "shards") as bar:
                self.do(work, stage, todo, bar.update)
            # An engine may lose a task without telling.
            if left := stage.todo(work):
                raise DataError(f"{work.data}: {stage.says}: nothing came of shards {left}; {AGAIN}")

    def do(self, work: Work, stage: Stage, shards: Sequence[int], done: Callable[[int], None]) -> None:
        """Do one stage for some shards, or raise what stopped it; `done` is told how many are."""
        raise NotImplementedError


class Local(Engine, kind="local"):
    """Processes of this machine; one worker is this process itself."""

    workers: int | None = Field(None, ge=1)
    """None takes the cores that this process may use."""

    def do(self, work: Work, stage: Stage, shards: Sequence[int], done: Callable[[int], None]) -> None:
        workers = min(len(shards), self.workers or _cores())
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
            raise DataError(f"{work.data}: {stage.says}: {lost}; {AGAIN}") from None
        finally:
            for process in crew.values():
                process.terminate()
                process.join()


def _worker(folder: str, stage: str) -> tuple[Connection, BaseProcess]:
    """A process that does the shards it is sent, and the wire to it; the wire breaks when the process dies.

    The executors of the standard library may wait for ever when a worker dies while others are being started.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([attempt.__module__])
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, folder, stage, plugin.paths()), daemon=True)
    process.start()
    theirs.close()  # the process has its own, and with the last one the wire breaks
    return ours, process


def _serve(wire: Connection, folder: str, stage: str, imports: Sequence[str]) -> None:
    """Do one shard after the other until None comes; processes are the parallelism here, so encoders get one thread."""
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    for shard in iter(wire.recv, None):
        wire.send(attempt(folder, stage, shard, imports))


def _cores() -> int:
    """The cores that this process may use, where the system tells them apart from those there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Ray(Engine, kind="ray"):
    """A Ray cluster: the one at `address`, or one of this machine's cores that is started for the purpose."""

    address: str | None = None
    cpus: float = Field(1.0, gt=0)
    """Cores for each task."""

    def do(self, work: Work, stage: Stage, shards: Sequence[int], done: Callable[[int], None]) -> None:
        try:
            import ray
        except ImportError:
            raise DataError("--engine ray needs Ray: pip install 'trivium[cluster]'") from None
        if not ray.is_initialized():
            ray.init(address=self.address, log_to_driver=False, include_dashboard=False, logging_level="ERROR")
        remote: Any = ray.remote(num_cpus=self.cpus, max_retries=0)(attempt)
        waiting = {
            remote.remote(str(work.data.absolute()), stage.name, shard, plugin.paths()): shard for shard in shards
        }
        while waiting:
            ready, _ = ray.wait(list(waiting), num_returns=1)
            try:
                why = ray.get(ready[0])
            except ray.exceptions.RayError as lost:
                cause = str(lost).strip().splitlines()[-1]
                why = f"{work.data}: {stage.says}, shard {waiting[ready[0]]}: {cause}; {AGAIN}"
            if why:
                for task in waiting:
                    ray.cancel(task)
                raise DataError(why)
            del waiting[ready[0]]
            done(len(shards) - len(waiting))


class Slurm(Engine, kind="slurm"):
    """Jobs of Slurm: an array for each map, a job for each reduce, each begun when the one before has succeeded.

    The scripts and what the jobs say stand in `slurm/` of the work folder.
    """

    options: Seq[str] = ()
    """What else `sbatch` is told: ["--partition=cpu", "--time=4:00:00"]."""
    wait: bool = False
    """Whether to wait until the last job has ended."""

    here: ClassVar[bool] = False

    def run(self, work: Work, say: Callable[[str], None]) -> None:
        before: str | None = None
        jobs = [(stage.name, len(stage.tasks(work)) if stage.map else 0) for stage in STAGES]
        if not STAGES[0].todo(work):
            jobs = jobs[1:]
        for name, tasks in [*jobs, ("publish", 0)]:
            script = self.script(work, name, tasks)
            words = [*self.options, "--parsable", *(["--wait"] if self.wait and name == "publish" else [])]
            if before is not None:
                words += [f"--dependency=afterok:{before}", "--kill-on-invalid-dep=yes"]
            before = submit([*words, str(script)])
            say(f"job {before}: {name}, {tasks or 1} {'tasks' if tasks > 1 else 'task'}")

    def script(self, work: Work, stage: str, tasks: int) -> Path:
        """Write the script of a stage: one command, which does one shard."""
        folder = work.folder / "slurm"
        words = [sys.executable, "-m", "trivium", "prepare", "--stage", stage, "--plan", work.plan.key]
        words += [word for path in plugin.paths() for word in ("--imports", path)]
        lines = ["#!/bin/bash", f"#SBATCH --job-name=trivium-{stage}", f"#SBATCH --output={folder}/{stage}-%A_%a.out"]
        if tasks:
            lines.append(f"#SBATCH --array=0-{tasks - 1}")
        lines.append(
            f"exec {shlex.join(words)} --out {shlex.quote(str(work.data.absolute()))} "
            '--shard "${SLURM_ARRAY_TASK_ID:-0}"'
        )
        path = folder / f"{stage}.sh"
        write_text(path, "\n".join(lines) + "\n")
        return path


class Running(Config):
    """Where a command is to do its work."""

    engine: Engine = Local()


def submit(words: list[str]) -> str:
    """Hand a script to `sbatch`; give the number of the job."""
    try:
        said = subprocess.run(["sbatch", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DataError("--engine slurm: no `sbatch` on this machine: run it where jobs are submitted") from None
    if said.returncode:
        why = (said.stderr or said.stdout).strip().splitlines() or [f"exit code {said.returncode}"]
        raise DataError(f"--engine slurm: sbatch {words[-1]}: {why[-1]}")
    return said.stdout.strip().splitlines()[-1].partition(";")[0]
