"""The memory that `trivium plan` foretells beside that of the run itself, on this machine.

    OMP_NUM_THREADS=1 python bench/plan.py [--processes 1 2 4] [--steps 3]

For each family, precision and number of processes the recipe below is planned, and trained for a few steps by `trivium
train` in processes of its own, joined by gloo, with evaluation and a checkpoint at the end. Measured is the largest RSS
of the first rank less its RSS before the model was built. The script prints a table and writes bench/results/plan.json.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

from trivium.base.files import write_json
from trivium.lab.plan.plan import plan
from trivium.train.recipe import read_recipe

SHAPES = {
    "decoder": ("llama", "causal", ["model.hidden_size=384", "model.decoder.layers=6", "model.decoder.heads=6"]),
    "encoder": ("bert", "masked", ["model.hidden_size=384", "model.encoder.layers=6", "model.encoder.heads=6"]),
    "encoder_decoder": (
        "t5",
        "denoise",
        [
            "model.hidden_size=384",
            *(f"model.{side}.{key}" for side in ("encoder", "decoder") for key in ("layers=3", "heads=6")),
        ],
    ),
}
"""A preset, an objective and sizes for each family: 12 to 14 million parameters."""

CHILD = """
import json, os, sys
from trivium.task import run as task
from trivium.train.recipe import read_recipe
def rss(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) * 1024
before, start = [], task.start_model
def build(recipe):
    before.append(rss("VmRSS"))
    return start(recipe)
task.start_model = build
task.run(read_recipe(None, sys.argv[2:]), __import__("pathlib").Path(sys.argv[1]))
if os.environ.get("RANK", "0") == "0":
    print("RSS", rss("VmHWM") - before[0])
"""


def overrides(family: str, precision: str, data: Path, steps: int, more: list[str]) -> list[str]:
    """Return the recipe of a family."""
    preset, objective, sizes = SHAPES[family]
    own = [f"model.preset={preset}", f"objective.kind={objective}", f"precision={precision}", f"budget_steps={steps}"]
    data_ = [f"data.path={data}", "data.length=256", "model.context=256", "batch_tokens=2048", "micro_rows=4"]
    return [*own, *data_, f"save_every_steps={steps}", f"eval_every_steps={steps}", *sizes, *more]


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--families", nargs="+", default=[*SHAPES], choices=[*SHAPES])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--data", type=Path, help="A data folder [the embedded corpus is prepared].")
    parser.add_argument("overrides", nargs="*", help="Overrides of every recipe.")
    asked = parser.parse_args()
    table: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        data = asked.data or Path(temporary, "data")
        if not asked.data:
            prepare = ["prepare", "embedded", "-o", str(data), "--vocab-size", "8192", "--valid-share", "0.001"]
            subprocess.run([sys.executable, "-m", "trivium", *prepare], check=True, capture_output=True)
        for family in asked.families:
            for precision in asked.precisions:
                for processes in asked.processes:
                    words = overrides(family, precision, data, asked.steps, asked.overrides)
                    made = plan(read_recipe(None, words), processes)
                    found = measured(words, processes, Path(temporary, f"{family}-{precision}-{processes}"))
                    row = {"family": family, "precision": precision, "processes": processes}
                    row |= {"parameters": made.parameters, "planned": made.memory.peak, "measured": found}
                    table.append(row)
                    ratio = made.memory.peak / found
                    print(f"{family:16} {precision} {processes}  {made.memory.peak / 2**20:8.1f} MiB planned", end="  ")
                    print(f"{found / 2**20:8.1f} measured  {ratio:.3f}", flush=True)
                    print(json.dumps({k: round(v / 2**20, 1) for k, v in made.memory.step.items()}))
    machine = {"date": str(date.today()), "machine": platform.processor() or platform.machine()}
    write_json(Path(__file__).parent / "results" / "plan.json", {**machine, "rows": table})


if __name__ == "__main__":
    main()
