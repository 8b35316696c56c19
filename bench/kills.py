"""Random kills: a run that SIGKILL ends again and again must come to the weights of one that nothing ended.

    python bench/kills.py --kills 1000                      one process
    python bench/kills.py --kills 200 --processes 2         a rank or the launcher is killed; nobody may hang or stay

Processes are forked from one that has imported everything, so a kill costs seconds. A kill that comes while a
checkpoint is written is counted: there the danger is. The exit code is 1 where a weight differs, a process hangs or
one stays behind.
"""

import argparse
import hashlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process that is forked must have no threads

import torch
from torch.distributed import TCPStore

from trivium.base import log
from trivium.base.config import parse
from trivium.base.errors import TriviumError
from trivium.corpus.prepare import Preparation, prepare
from trivium.task.run import run
from trivium.train.recipe import Recipe

TIMEOUT_SECONDS = 10
RECIPE = {
    "data": {"path": ["data"], "length": 32},
    "model": {"preset": "gpt2", "depth": 1, "hidden_size": 128, "vocab_size": 384, "context": 64},
    "optim": {"lr": 1e-2},
    "precision": "fp32",
    "batch_tokens": 64,
    "micro_rows": 2,
    "budget_steps": 40,
    "save_every_steps": 1,
    "eval_every_steps": 40,
    "spikes": {"memory_steps": 20},
    "timeout_seconds": TIMEOUT_SECONDS,
}


def train(folder: Path, rank: int, size: int, port: int) -> int:
    """Train, or go on, in this process; return the exit code."""
    if size > 1:
        words = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({key: str(value) for key, value in words.items()}, TORCHELASTIC_USE_AGENT_STORE="True")
        log.FIRST = rank == 0
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        try:
            run(parse(Recipe, RECIPE), folder, resume=True)
        except TriviumError as error:
            if error.exit_code not in (5, 75):
                os.write(1, f"{error}\n".encode())
            return error.exit_code
    return 0


def fork(act, *given) -> int:
    """Run a function in a forked process, whose exit code is what it returns; return the number of the process."""
    if child := os.fork():
        return child
    code = 1
    try:
        code = act(*given)
    finally:
        os._exit(code)


def launcher(folder: Path, size: int, ranks: Path) -> int:
    """Start the ranks, write their processes into a file, and wait for them; end all where one fails."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))
    children = [fork(train, folder, rank, size, store.port) for rank in range(size)]
    ranks.write_text(" ".join(map(str, children)))
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return max(map(abs, codes))


def alive(process: int) -> bool:
    """Return whether a process runs; one that has ended and was not waited for does not."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def weights(folder: Path) -> str:
    """Return the hash of the weights and the optimizer of the newest checkpoint."""
    newest, digest = max((folder / "checkpoints").glob("step-*")), hashlib.sha256()
    for name in ("model.safetensors", "optim.safetensors"):
        digest.update((newest / name).read_bytes())
    return f"{newest.name} {digest.hexdigest()[:16]}"


def one_run(folder: Path, size: int, delay: float | None, draw: random.Random) -> dict:
    """Start or go on, kill after `delay` seconds, and wait for the end of all; return what happened."""
    ranks, found = folder.parent / "ranks", {"killed": False, "saving": False, "hangs": 0, "orphans": 0}
    ranks.unlink(missing_ok=True)
    child = fork(train, folder, 0, 1, 0) if size == 1 else fork(launcher, folder, size, ranks)
    began, family = time.monotonic(), [child]
    if size > 1:
        while not (ranks.exists() and len(ranks.read_text().split()) == size):
            time.sleep(0.002)
        family += map(int, ranks.read_text().split())
    while alive(child) and (delay is None or time.monotonic() - began < delay):
        time.sleep(0.001)
    if alive(child):
        found["killed"] = True
        found["saving"] = any((folder / "checkpoints").glob(".step-*")) if folder.exists() else False
        with suppress(ProcessLookupError):
            os.kill(draw.choice(family), signal.SIGKILL)
    deadline = time.monotonic() + TIMEOUT_SECONDS + 10
    while any(map(alive, family)) and time.monotonic() < deadline:
        time.sleep(0.005)
    left = [process for process in family if alive(process)]
    found["hangs"], found["orphans"] = int(child in left), len([process for process in left if process != child])
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    found["code"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return found


def main() -> int:
    """Kill, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    draw, home, before = random.Random(asked.seed), Path(tempfile.mkdtemp(prefix="kills-")), time.monotonic()
    os.chdir(home)
    Path("text").mkdir()
    for number in range(24):
        Path(f"text/{number:02d}.txt").write_text(f"A letter came in the morning of day {number}.\n" * 5)
    with redirect_stdout(io.StringIO()):
        prepare([Path("text")], Path("data"), Preparation(tokenizer="bytes", near=None, valid_share=0.2))
    began = time.monotonic()
    whole = one_run(home / "whole", asked.processes, None, draw)
    if whole["code"]:
        sys.exit(f"the run that nothing kills ended with exit code {whole['code']}")
    seconds, wanted = time.monotonic() - began, weights(home / "whole")
    kills = saving = hangs = orphans = runs = wrong = 0
    folder = home / "run"
    while kills < asked.kills:
        done = one_run(folder, asked.processes, draw.uniform(0.0, 0.7 * seconds), draw)
        kills, saving = kills + done["killed"], saving + done["saving"]
        hangs, orphans = hangs + done["hangs"], orphans + done["orphans"]
        if done["code"] == 0 and not done["killed"]:
            runs, wrong = runs + 1, wrong + (weights(folder) != wanted)
            shutil.rmtree(folder)
    while one_run(folder, asked.processes, None, draw)["code"]:
        pass
    runs, wrong = runs + 1, wrong + (weights(folder) != wanted)
    print(f"{asked.processes} processes, {kills} kills, {saving} while a checkpoint was written, seed {asked.seed}")
    print(f"{runs} runs ended, {runs - wrong} with the weights of the run that nothing killed ({wanted})")
    took = time.monotonic() - before
    print(f"a run takes {seconds:.1f} s; {hangs} hung, {orphans} processes stayed behind, {took:.0f} s")
    shutil.rmtree(home)
    return int(bool(wrong or hangs or orphans))


if __name__ == "__main__":
    sys.exit(main())
