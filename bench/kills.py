"""Random kills: a run that SIGKILL ends again and again must come to the weights of one that nothing ended.

    python bench/kills.py --kills 1000                      one process
    python bench/kills.py --kills 200 --processes 2         a rank or the launcher is killed; nobody may hang or stay
    python bench/kills.py --kills 100 --processes 4 --seed 3 --plain

Steps are deterministic, so any number of processes must come to one hash; with `--plain` they are not. Processes are
forked from one that has imported everything, so a life costs about a second. A fifth of the kills comes before the
first save of a life, the others between the start of one of its first saves and that of the next.
bench/results/kills.json has a row for each number of processes and seed, which is counted once: a seed that is there is
refused. A run that ends later than ten seconds after its timeout is `late`, as on a machine that is busy; one that has
not ended after four minutes hangs. The exit code is 1 where a weight differs, a process hangs or one stays behind.
"""

import argparse
import hashlib
import io
import json
import mmap
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process that is forked must have no threads

import torch
import torch._dynamo  # the first optimizer of a process imports it, which costs a second
from torch.distributed import TCPStore

from trivium.base import log
from trivium.base.config import parse
from trivium.base.errors import TriviumError
from trivium.base.files import write_json
from trivium.corpus.prepare import Preparation, prepare
from trivium.task.run import run
from trivium.train import checkpoint
from trivium.train.recipe import Recipe

RESULTS = Path(__file__).resolve().parent / "results" / "kills.json"
TIMEOUT_SECONDS = 10
POLL_SECONDS, PATIENCE_SECONDS = 0.004, 240
STEPS = 20
RECIPE = {
    "data": {"path": ["data"], "length": 32},
    "model": {"preset": "gpt2", "depth": 1, "hidden_size": 128, "vocab_size": 384, "context": 64},
    "optim": {"lr": 1e-2},
    "precision": "fp32",
    "batch_tokens": 128,
    "micro_rows": 1,
    "budget_steps": STEPS,
    "save_every_steps": 1,
    "eval_every_steps": STEPS,
    "spikes": {"memory_steps": 20},
    "timeout_seconds": TIMEOUT_SECONDS,
}
GRAINS = {"deterministic": True, "grain_rows": 1}
SHARED = mmap.mmap(-1, 2)
"""Whether a life is in a save, and the number of its saves; all processes share these bytes."""


def save(*given, **named) -> Path:
    """Save a checkpoint, and tell the process that kills."""
    SHARED[0], SHARED[1] = 1, SHARED[1] + 1
    folder = save_checkpoint(*given, **named)
    SHARED[0] = 0
    return folder


save_checkpoint, checkpoint.save_checkpoint = checkpoint.save_checkpoint, save


def train(recipe: dict, folder: Path, rank: int, size: int, port: int) -> int:
    """Train, or go on, in this process; return the exit code."""
    if size > 1:
        words = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({key: str(value) for key, value in words.items()}, TORCHELASTIC_USE_AGENT_STORE="True")
        log.FIRST = rank == 0
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        try:
            run(parse(Recipe, recipe), folder, resume=True)
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


def launcher(recipe: dict, folder: Path, size: int, ranks: Path) -> int:
    """Start the ranks, write their processes into a file, and wait for them; end all where one fails."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))
    children = [fork(train, recipe, folder, rank, size, store.port) for rank in range(size)]
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


def one_run(
    recipe: dict, folder: Path, size: int, draw: random.Random, delay: float | None = None, saves: int = 0
) -> dict:
    """Start or go on, kill `delay` seconds after so many `saves` have begun, and wait for the end of all.

    Return what happened, and when each save began, in seconds since the start.
    """
    ranks, found = folder.parent / "ranks", {"killed": False, "saving": False, "hangs": 0, "orphans": 0, "begun": []}
    ranks.unlink(missing_ok=True)
    SHARED[0] = SHARED[1] = 0
    child = fork(train, recipe, folder, 0, 1, 0) if size == 1 else fork(launcher, recipe, folder, size, ranks)
    began, family, mark = time.monotonic(), [child], 0.0
    if size > 1:
        while not (ranks.exists() and len(ranks.read_text().split()) == size):
            time.sleep(POLL_SECONDS)
        family += map(int, ranks.read_text().split())
    while alive(child) and (delay is None or SHARED[1] < saves or time.monotonic() - began - mark < delay):
        now = time.monotonic() - began
        found["begun"] += [now] * (SHARED[1] - len(found["begun"]))
        mark = now if SHARED[1] < saves else mark
        time.sleep(POLL_SECONDS)
    if alive(child):
        found["killed"] = True
        found["saving"] = bool(SHARED[0])
        with suppress(ProcessLookupError):
            os.kill(draw.choice(family), signal.SIGKILL)
    killed = time.monotonic()
    while any(map(alive, family)) and time.monotonic() - killed < PATIENCE_SECONDS:
        time.sleep(POLL_SECONDS)
    found["late"] = int(time.monotonic() - killed > TIMEOUT_SECONDS + 10)
    left = [process for process in family if alive(process)]
    found["hangs"], found["orphans"] = int(child in left), len([process for process in left if process != child])
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    found["code"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return found


def text_data() -> None:
    """Make the data folder in the working folder."""
    Path("text").mkdir()
    for number in range(24):
        Path(f"text/{number:02d}.txt").write_text(f"A letter came in the morning of day {number}.\n" * 5)
    with redirect_stdout(io.StringIO()):
        prepare([Path("text")], Path("data"), Preparation(tokenizer="bytes", near=None, valid_share=0.2))


def killed(recipe: dict, folder: Path, asked: argparse.Namespace) -> dict:
    """Kill runs until so many kills are done; return the counts, which are also written after each run that ends."""
    draw, size, whole = random.Random(asked.seed), asked.processes, folder.with_name("whole")
    began = time.monotonic()
    first = one_run(recipe, whole, size, draw)
    if first["code"]:
        sys.exit(f"the run that nothing kills ended with exit code {first['code']}")
    ends, wanted = rhythm(first["begun"], [1.0, 1.0]), weights(whole)
    row = {"processes": size, "deterministic": not asked.plain, "seed": asked.seed, "hash": wanted}
    row |= dict.fromkeys(("kills", "saving", "runs", "wrong", "late", "hangs", "orphans"), 0)
    while True:
        more, saves = row["kills"] < asked.kills, draw.randint(0, 4)
        delay = draw.uniform(0.0, ends[min(saves, 1)])
        done = one_run(recipe, folder, size, draw, delay if more else None, saves)
        ends = rhythm(done["begun"], ends)
        row["kills"] += done["killed"]
        for name in ("saving", "late", "hangs", "orphans"):
            row[name] += done[name]
        if done["code"] == 0 and not done["killed"]:
            row["runs"], row["wrong"] = row["runs"] + 1, row["wrong"] + (weights(folder) != wanted)
            shutil.rmtree(folder)
            row["seconds"] = round(time.monotonic() - began)
            keep(row, asked)
            if not more:
                return row


def rhythm(begun: list[float], before: list[float]) -> list[float]:
    """Return the seconds from the start of a life to its first save, and from one save to the next.

    They are the mean of what was known and of this life, because a machine becomes slower and faster.
    """
    steps = [later - one for one, later in pairwise(begun)]
    found = begun[0] if begun else before[0], sum(steps) / len(steps) if steps else before[1]
    return [(old + new) / 2 for old, new in zip(before, found, strict=True)]


def keep(row: dict, asked: argparse.Namespace) -> None:
    """Write the row of this command among those of the others; a run that is not over yet is not in it."""
    if asked.dry:
        return
    others = [one for one in kept() if identity(one) != identity(row)]
    command = f"python bench/kills.py {' '.join(sys.argv[1:])}"
    row = {**row, "date": str(date.today()), "machine": platform.machine(), "cores": os.cpu_count(), "command": command}
    write_json(RESULTS, sorted([*others, row], key=identity))


def kept() -> list[dict]:
    """Return the rows of earlier commands."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def identity(row: dict) -> tuple[int, bool, int]:
    """Return what names a row."""
    return row["processes"], row["deterministic"], row["seed"]


def main() -> int:
    """Kill, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="Steps that are not deterministic.")
    parser.add_argument("--dry", action="store_true", help="Write no results.")
    asked = parser.parse_args()
    mine = (asked.processes, not asked.plain, asked.seed)
    if not asked.dry and mine in map(identity, kept()):
        sys.exit(f"{RESULTS}: has {asked.processes} processes with seed {asked.seed}; take another --seed")
    torch.set_num_threads(1)
    home = Path(tempfile.mkdtemp(prefix="kills-"))
    os.chdir(home)
    text_data()
    row = killed(RECIPE if asked.plain else RECIPE | GRAINS, home / "run", asked)
    print(f"{row['processes']} processes, {row['kills']} kills, {row['saving']} while a checkpoint was written")
    right = row["runs"] - row["wrong"]
    print(f"{row['runs']} runs ended, {right} with the weights of the run that nothing killed ({row['hash']})")
    hung = f"{row['late']} late, {row['hangs']} hung, {row['orphans']} processes stayed behind"
    print(f"{hung}, {row['seconds']} s in all")
    shutil.rmtree(home)
    return int(bool(row["wrong"] or row["hangs"] or row["orphans"]))


if __name__ == "__main__":
    sys.exit(main())
