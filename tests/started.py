"""Real commands on tiny data: started, watched until they are somewhere, signalled, and judged by what they leave."""

import hashlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SLOW = """
import itertools, os, time
from pathlib import Path
import trivium.task.run as run
from trivium.data.loader import Loader

rank, here = os.environ.get("RANK", "0"), Path(__file__).parent
phase, _, only = os.environ.get("PHASE", "").partition(" of ")  # "data of 1" is for rank 1 alone
phase = phase if only in ("", rank) else ""
plain_step, plain_order, plain_rows, scored = Loader.step, run.in_order, run.open_rows, [0]


def there():
    (here / f"there-{rank}").touch()


def step(self, number):
    if number >= 4 and phase in ("training", "data"):
        there()
        time.sleep(0.2 if phase == "training" else 600)
    return plain_step(self, number)


def in_order(*given):
    scored[0] += 1
    if phase == "first evaluation" or (phase == "evaluation" and scored[0] == 3):
        for batch in itertools.cycle(list(plain_order(*given))):
            there()
            time.sleep(0.05)
            yield batch
    yield from plain_order(*given)


def open_rows(*given):
    if phase == "rows":
        there()
        time.sleep(600)
    if phase == "broken":
        raise ValueError("a bug")
    return plain_rows(*given)


Loader.step, run.in_order, run.open_rows = step, in_order, open_rows
"""
"""Kinds of one's own, so to speak: they let a run stay where `PHASE` says."""
RECIPE = """
imports = ["slow.py"]
budget_steps = 12
batch_tokens = 128
micro_rows = 2
save_every_steps = 5
eval_every_steps = 3
log_every_steps = 1
precision = "fp32"
timeout_seconds = 5
[data]
path = "data"
length = 32
[model]
preset = "llama"
depth = 1
hidden_size = 16
context = 64
"""


def lay(folder: Path, data: Path) -> Path:
    """Write the recipe and its file of kinds into a folder, beside its data."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "slow.py").write_text(SLOW)
    (folder / "r.toml").write_text(RECIPE)
    if not (folder / "data").exists():
        (folder / "data").symlink_to(data)
    return folder


class Started:
    """A command that runs in a session of its own; all its processes have a mark by which they are found."""

    def __init__(self, folder: Path, *words: str, phase: str = "", launcher: tuple[str, ...] = ()) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        for left in folder.glob("there-*"):
            left.unlink()
        env = {**os.environ, "PHASE": phase, "STARTED": self.mark, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, *launcher, "-m", "trivium", *words]
        with open(folder / "said.txt", "w") as said:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def said(self) -> str:
        return (self.folder / "said.txt").read_text()

    def until(self, true: Callable[[], object], seconds: float = 120) -> None:
        """Wait until something is true; fail where the command ends first, or after so many seconds."""
        deadline = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None and time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def there(self, ranks: int = 1) -> "Started":
        """Wait until every rank is where its phase keeps it."""
        self.until(lambda: len(list(self.folder.glob("there-*"))) == ranks)
        time.sleep(0.5)  # data are read ahead of the step
        return self

    def processes(self) -> dict[int, str]:
        """The processes of this command that live, and the rank of each."""
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if not entry.name.isdigit() or (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    continue
                env = dict(pair.partition("=")[::2] for pair in (entry / "environ").read_text().split("\0"))
                if env.get("STARTED") == self.mark:
                    found[int(entry.name)] = env.get("RANK", "")
        return found

    def rank(self, rank: int) -> int:
        """The process of a rank."""
        (found,) = [process for process, own in self.processes().items() if own == str(rank)]
        return found

    def signal(self, number: int, process: int | None = None) -> "Started":
        os.kill(self.process.pid if process is None else process, number)
        return self

    def ended(self, seconds: float) -> int:
        """The exit code, once every process of the command is gone; they have so many seconds."""
        deadline = time.monotonic() + seconds
        try:
            code = self.process.wait(seconds)
            while self.processes():
                assert time.monotonic() < deadline, f"orphans: {self.processes()}\n{self.said}"
                time.sleep(0.05)
            return code
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it hangs: {self.processes()}\n{self.said}") from None
        finally:
            for process in self.processes():
                with suppress(OSError):
                    os.kill(process, signal.SIGKILL)


def weights(run: Path) -> str:
    """The sha256 of the weights and the optimizer of the newest checkpoint."""
    newest = max((run / "checkpoints").glob("step-*"))
    digest = hashlib.sha256(newest.name.encode())
    for name in ("model.safetensors", "optim.safetensors"):
        digest.update((newest / name).read_bytes())
    return digest.hexdigest()
