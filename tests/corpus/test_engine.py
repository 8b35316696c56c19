"""Every engine leaves the same bytes; what fails or is lost is told, and nothing of it is published."""

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from trivium.base.errors import DataError
from trivium.corpus.engine import Engine, Local, Ray, Slurm
from trivium.corpus.prepare import Preparation, perform, prepare

STUB = """#!{python}
# Stands in for sbatch: runs a script's tasks at once, unless what it depends on has failed.
import os, pathlib, re, subprocess, sys
here = pathlib.Path(__file__).parent
script = pathlib.Path(sys.argv[-1]).read_text()
number = len(list(here.glob("job-*"))) + 1
before = next((word.partition("afterok:")[2] for word in sys.argv if "afterok:" in word), "")
ended = not before or (here / f"job-{{before}}").read_text() == "0"
array = re.search(r"--array=0-(\\d+)", script)
code = 0 if ended else 1
for task in reversed(range(int(array[1]) + 1 if array else 1)) if ended else ():
    env = {{**os.environ, **({{"SLURM_ARRAY_TASK_ID": str(task)}} if array else {{}})}}
    done = subprocess.run(["bash", sys.argv[-1]], env=env, capture_output=True, text=True)
    (here / "said").open("a").write(done.stdout + done.stderr)
    code = code or done.returncode
(here / f"job-{{number}}").write_text(str(code))
(here / "calls").open("a").write(" ".join(sys.argv[1:]) + "\\n")
print(number)
"""


def text(number):
    words = [f"word{(number * 7 + at * at) % 40}" for at in range(60)]
    return " ".join(words) + f"\nThis is document {number}.\n"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine") / "texts"
    folder.mkdir()
    for file in range(6):
        rows = "".join(json.dumps({"text": text(number % 50)}) + "\n" for number in range(file * 12, file * 12 + 12))
        (folder / f"{file}.jsonl").write_text(rows)
    return folder


OPTIONS = Preparation(tokenizer="bytes", shards=3)


def tree(folder):
    """Every file of a data folder by name, without the times of its steps and the page."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    manifest = json.loads(found["manifest.json"])
    for step in manifest["report"]["steps"]:
        del step["seconds"]
    return {**found, "manifest.json": manifest, "report.html": b""}


@pytest.fixture(scope="module")
def clean(source, tmp_path_factory):
    """What one process makes of it."""
    folder = tmp_path_factory.mktemp("clean") / "data"
    prepare([source], folder, OPTIONS)
    return tree(folder)


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_processes_leave_what_one_leaves(source, tmp_path, clean, workers):
    prepare([source], tmp_path / "data", OPTIONS, engine=Local(workers=workers))
    assert tree(tmp_path / "data") == clean


@pytest.mark.slow  # a cluster takes ten seconds to start
def test_ray_leaves_what_one_process_leaves(source, tmp_path, clean):
    ray = pytest.importorskip("ray", reason="needs Ray: pip install ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        prepare([source], tmp_path / "data", OPTIONS, engine=Ray())
        assert tree(tmp_path / "data") == clean
        broken = tmp_path / "broken"
        broken.mkdir()
        for number in range(3):
            (broken / f"{number}.jsonl").write_text(
                '{"text": 5}\n' if number == 1 else '{"text": "enough of it here"}\n'
            )
        with pytest.raises(DataError, match=r"shard \d of 3 \(1\.jsonl\): .*1\.jsonl:1: .*expected a string, found 5"):
            prepare([broken], tmp_path / "none", OPTIONS, engine=Ray())
        assert not (tmp_path / "none").exists()
    finally:
        ray.shutdown()


def test_without_ray_one_line_says_so(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DataError, match=r"--engine ray needs ray: pip install ray$"):
        prepare([source], tmp_path / "data", OPTIONS, engine=Ray())


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder with a stand-in for sbatch that is found first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text(STUB.format(python=sys.executable))
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent / "src"))
    return folder


@pytest.mark.slow  # nine commands are started one after the other
def test_jobs_leave_what_one_process_leaves(source, tmp_path, clean, slurm):
    said = []
    made = prepare([source], tmp_path / "data", OPTIONS, progress=said.append, engine=Slurm(options=("--time=10",)))
    assert "submitted" in made and tree(tmp_path / "data") == clean
    assert said[0] == "job 1: read, 3 tasks" and said[-1] == "job 5: publish, 1 task"
    calls = (slurm / "calls").read_text().splitlines()
    assert len(calls) == 5 and all("--time=10 --parsable" in call for call in calls)
    assert ["afterok:" in call for call in calls] == [False, True, True, True, True]
    assert (tmp_path / "data" / "report.html").is_file()
    assert not prepare([source], tmp_path / "data", OPTIONS, engine=Slurm())["fresh"]  # no further job


@pytest.mark.parametrize("shards", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_failed_shard_stops_what_depends_on_it(tmp_path, slurm, shards):
    (tmp_path / "texts").mkdir()
    for number in range(shards):
        (tmp_path / "texts" / f"{number}.jsonl").write_text('{"text": "enough of it here"}\n' if number else "{\n")
    prepare([tmp_path / "texts"], tmp_path / "data", OPTIONS.replace(shards=shards), engine=Slurm())
    codes = [(slurm / f"job-{number}").read_text() for number in range(1, 6)]
    assert codes == ["2", "1", "1", "1", "1"] and not (tmp_path / "data").exists()
    said = (slurm / "said").read_text()
    assert "0.jsonl:1: not JSON" in said and "Traceback" not in said
    assert shards == 1 or " of 2 (0.jsonl): " in said


def test_where_no_jobs_can_be_submitted_one_line_says_so(source, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="no `sbatch` on this machine"):
        prepare([source], tmp_path / "data", OPTIONS, engine=Slurm())
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    with pytest.raises(DataError, match=r"sbatch .*read\.sh: sbatch: error: invalid partition"):
        prepare([source], tmp_path / "data", OPTIONS, engine=Slurm())


def test_a_task_of_another_plan_is_refused(source, tmp_path):
    with pytest.raises(DataError, match="data: nothing is planned here"):
        perform(tmp_path / "data", "read", 0, None)
    prepare([source], tmp_path / "data", OPTIONS)
    with pytest.raises(DataError, match="another preparation was begun here"):
        perform(tmp_path / "data", "read", 0, "0123")
    with pytest.raises(DataError, match="--shard 3: expected 0 to 2"):
        perform(tmp_path / "data", "encode", 3, None)
    with pytest.raises(DataError, match="--stage wash: expected split, read, dedup, tokenizer, encode or publish"):
        perform(tmp_path / "data", "wash", 0, None)


def test_a_failed_shard_is_named_with_its_files(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.jsonl").write_text('{"text": "enough of it here"}\n' if number != 2 else "[1]\n")
    files = [tmp_path / f"{number}.jsonl" for number in range(4)]
    for workers in (1, 2):
        with pytest.raises(
            DataError, match=r"shard \d of 4 \(2\.jsonl\): .*2\.jsonl:1: expected a JSON object, found list"
        ):
            prepare(files, tmp_path / "data", OPTIONS.replace(shards=4), engine=Local(workers=workers))
    assert not (tmp_path / "data").exists()


def test_an_engine_that_loses_a_task_is_found_out(source, tmp_path, monkeypatch):
    monkeypatch.setattr(Engine, "kinds", dict(Engine.kinds))

    class Forgetful(Engine, kind="forgetful"):
        def do(self, work, stage, shards, done):
            Local(workers=1).do(work, stage, shards[:-1], done)

    with pytest.raises(DataError, match=r"reading and cleaning: shards \[2\] have no result; finished work is kept"):
        prepare([source], tmp_path / "data", OPTIONS, engine=Forgetful())


def below(process):
    """The processes that a process has started, and those have."""
    found, todo = [], [process]
    while todo:
        try:
            tasks = list(Path(f"/proc/{todo.pop()}/task").iterdir())
            children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:  # it has ended meanwhile
            continue
        found += children
        todo += children
    return found


class Killer(threading.Thread):
    """Kills the first process that appears below this one and was not there before."""

    def __init__(self):
        super().__init__(daemon=True)
        self.before, self.killed = set(below(os.getpid())), 0

    def run(self):
        for _ in range(5000):
            if new := set(below(os.getpid())) - self.before:
                self.killed = min(new)
                os.kill(self.killed, signal.SIGKILL)
                return
            time.sleep(0.002)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes in /proc")
def test_a_killed_worker_is_told_and_the_next_run_makes_it_good(source, tmp_path, clean):
    prepare([source], tmp_path / "warm", OPTIONS, engine=Local(workers=2))  # what forks workers is there from now on
    killer = Killer()
    killer.start()
    with pytest.raises(DataError, match="a worker died before its shard was done: killed, or out of memory; finished"):
        prepare([source], tmp_path / "data", OPTIONS, engine=Local(workers=2))
    killer.join()
    assert killer.killed and not (tmp_path / "data").exists()
    prepare([source], tmp_path / "data", OPTIONS)
    assert tree(tmp_path / "data") == clean


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_what_was_killed_at_any_moment_is_made_good_by_the_next_run(source, tmp_path, clean, kills):
    """kill -9 at random moments; a process that dies alone, so that every moment of its writing is met."""
    draw, folder, seconds, inside = random.Random(kills), tmp_path / "data", 0.0, 0
    for number in range(kills + 1):
        start = time.monotonic()
        if (child := os.fork()) == 0:
            try:
                prepare([source], folder, OPTIONS)
            finally:
                os._exit(0)
        if number:  # the first one lives, to say how long it takes
            time.sleep(draw.uniform(0.05, 1) * seconds)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seconds = seconds or time.monotonic() - start
        inside += os.WIFSIGNALED(status)
        assert not folder.exists() or tree(folder) == clean
        prepare([source], folder, OPTIONS)
        assert tree(folder) == clean
        assert not list(tmp_path.rglob(".*"))
        shutil.rmtree(folder)
        shutil.rmtree(tmp_path / "data.work")
    assert inside > kills / 2
