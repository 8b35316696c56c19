"""The memory that `trivium plan` foretells beside that of the run itself, on this machine.

    OMP_NUM_THREADS=1 python bench/plan.py [--families decoder ...] [--precisions fp32 bf16] [--processes 1 2 4]

For each family, precision and number of processes a recipe is planned, and trained for three steps and a checkpoint by
the code of `trivium train`, with one thread a process, joined by gloo. Measured is the largest RSS of the first rank
less its RSS before the model is built, after a tiny run in the same process has loaded the libraries. The data are
words of chance. The script prints each cell and writes it into bench/results/plan.json, in place of an older one of the
same name, unless it is a `--dry` run; so the cells may be measured in portions.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

from trivium.base.files import write_json
from trivium.corpus.prepare import Preparation, prepare
from trivium.lab.plan.plan import plan
from trivium.train.recipe import read_recipe

STACKS = {"decoder": ("decoder",), "encoder": ("encoder",), "encoder_decoder": ("encoder", "decoder")}
KINDS = {"decoder": ("llama", "causal"), "encoder": ("bert", "masked"), "encoder_decoder": ("t5", "denoise")}
STEPS = 3
RESULTS = Path(__file__).parent / "results" / "plan.json"

CHILD = """
import os, sys
from pathlib import Path
from trivium.task import run as task
from trivium.train.recipe import read_recipe

def rss(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) * 1024

folder, words = Path(sys.argv[1]), sys.argv[2:]
rank, size = os.environ.get("RANK", "0"), os.environ.pop("WORLD_SIZE", "1")
tiny = ["model.hidden_size=48", "batch_tokens=256", "micro_rows=1"]
task.run(read_recipe(None, [*words, *tiny]), folder.with_name(f"{folder.name}-tiny-{rank}"))
os.environ["WORLD_SIZE"] = size
before, start = [], task.start_model

def build(recipe):
    before.append(rss("VmRSS"))
    return start(recipe)

task.start_model = build
task.run(read_recipe(None, words), folder)
if rank == "0":
    print("RSS", rss("VmHWM") - before[0])
"""


def overrides(family: str, precision: str, data: Path) -> list[str]:
    """Return the recipe of a family: a width of 384, six layers in all, rows of 256 tokens."""
    (preset, objective), stacks = KINDS[family], STACKS[family]
    sizes = [f"model.{one}.{key}" for one in stacks for key in (f"layers={6 // len(stacks)}", "heads=6")]
    step = ["batch_tokens=2048", "micro_rows=4", f"budget_steps={STEPS}", f"precision={precision}"]
    shape = ["model.hidden_size=384", "model.context=256", "data.length=256", f"model.preset={preset}"]
    return [f"data.path={data}", f"objective.kind={objective}", *shape, *sizes, *step]


def written(folder: Path) -> Path:
    """Prepare a data folder of words of chance."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(6000)]
    for number in range(100):
        (folder / f"{number}.txt").write_text("\n".join(" ".join(draw.choices(words, k=80)) for _ in range(20)))
    prepare([folder], folder / "data", Preparation(vocab_size=8192, valid_share=0.0, near=None))
    return folder / "data"


def measured(words: list[str], processes: int, folder: Path) -> int:
    """Train, and return the largest RSS of the first rank less that before its model was built."""
    launch = [sys.executable]
    if processes > 1:
        launch += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    script = folder.with_suffix(".py")
    script.write_text(CHILD)
    done = subprocess.run([*launch, script, folder, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("RSS"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--families", nargs="+", default=[*KINDS], choices=[*KINDS])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--dry", action="store_true", help="Write no results.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        data = written(Path(temporary))
        for family, precision, processes in product(asked.families, asked.precisions, asked.processes):
            words = overrides(family, precision, data)
            made = plan(read_recipe(None, words), processes)
            found = measured(words, processes, Path(temporary, f"{family}-{precision}-{processes}"))
            parts = {name: round(size / 2**20) for name, size in made.memory.parts.items()}
            told = f"{family:16} {precision} {processes} {made.memory.peak / 2**20:8.1f} MiB planned, "
            told += f"{made.memory.peak / found:.3f} of measured {found / 2**20:8.1f}"
            print(told, json.dumps(parts), flush=True)
            row = {"parts_mib": parts, "parameters": made.parameters, "planned": made.memory.peak, "measured": found}
            row |= {"ratio": round(made.memory.peak / found, 3), "date": str(date.today())}
            if not asked.dry:
                keep(f"{family} {precision} {processes}", {**row, "machine": platform.machine()})


def keep(cell: str, row: dict[str, Any]) -> None:
    """Write the row of a cell among those of the others."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    write_json(RESULTS, dict(sorted({**known, cell: row}.items())))


if __name__ == "__main__":
    main()
