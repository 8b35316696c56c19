"""Memory of a long run: many small steps with saves and evaluations, and what the process holds meanwhile.

    python bench/long.py                    50,000 steps, about 10 minutes
    python bench/long.py --steps 4000       a look

It prints the resident memory at tenths of the run. The exit code is 1 where the last tenth holds over 5 % more than the
second: the first is warm-up.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trivium.base.config import parse
from trivium.base.log import speaking
from trivium.corpus.prepare import Preparation, prepare
from trivium.task.run import run
from trivium.train import loop
from trivium.train.recipe import Recipe

ALLOWED = 1.05


def resident() -> float:
    """Return the resident memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main() -> int:
    """Train, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=64)
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="long-"))
    (home / "text").mkdir()
    for number in range(200):
        (home / "text" / f"{number:03d}.txt").write_text(f"A letter came in the morning of day {number}.\n" * 20)
    tree = {
        "data": {"path": [str(home / "data")], "length": 64},
        "model": {"preset": "llama", "depth": 2, "hidden_size": asked.width, "vocab_size": 384, "context": 64},
        "precision": "fp32",
        "batch_tokens": 256,
        "budget_steps": asked.steps,
        "save_every_steps": 50,
        "eval_every_steps": 50,
    }
    seen: list[tuple[int, float]] = []
    plain = loop.train_step

    def counted(*given):
        done = given[6] + 1
        if done % max(1, asked.steps // 500) == 0:
            seen.append((done, resident()))
        return plain(*given)

    loop.train_step = counted
    with speaking(quiet=True):
        prepare([home / "text"], home / "data", Preparation(tokenizer="bytes", near=None, valid_share=0.1))
        run(parse(Recipe, tree), home / "run")
    tenths = [median(mb for step, mb in seen if tenth < 10 * step / asked.steps <= tenth + 1) for tenth in range(10)]
    for tenth, mb in enumerate(tenths, start=1):
        print(f"{tenth * asked.steps // 10:>8,} steps  {mb:7.1f} MB")
    files = len(os.listdir("/proc/self/fd"))
    print(f"the last tenth holds {tenths[-1] / tenths[1]:.3f} times the second; {files} files are open")
    return int(tenths[-1] > ALLOWED * tenths[1])


if __name__ == "__main__":
    sys.exit(main())
