"""A training step of ours beside nanoGPT, transformers and litgpt: speed, memory, start.

    python bench/train.py --nanogpt FOLDER [--only gpt2 llama bert t5 char memory] [--threads 2] [--pairs 5]

Each side is a process of its own. All of a case stand ready, and take turns of a few steps: A B C A B C, `--pairs`
times (not `memory`: one after another, two steps each). A ratio is the median over the turns of one side by another.
All do the same: forward, backward, gradients clipped to 1, AdamW, the loss read, random ids. A peer as it comes is
float32 and eager; bf16 is autocast; `compiled` is torch.compile of the whole model. `recompute` and `parts` are ours
with `recompute = 1`, and with the rows of a step in four micro-batches. With `--threads 1` seconds are processor time,
for a busy machine; with more they are wall time, and the machine must be quiet.

In the same run the ceilings: a product of 2,048 x 2,048 x 2,048 in float32 and in bfloat16, a copy of 512 MiB, and
the products of the step's own matrices (forward, and both of backward; attention left out) timed alone. nanoGPT is a
checkout (https://github.com/karpathy/nanoGPT), by option or the variable NANOGPT; litgpt is `pip install litgpt`. A
peer that is not there is left out. A part is kept in bench/results/train.json beside the other parts, which --only
leaves as they are.
"""

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from sides import SIDES, Case, masked

RESULTS = Path(__file__).parent / "results" / "train.json"
GPT2 = {"preset": "gpt2", "vocab_size": 50304, "ffn": {"activation": "gelu"}}
SMALL = {**GPT2, "vocab_size": 65, "context": 64, "layers": 4, "heads": 4, "hidden_size": 128}
LLAMA = {"preset": "llama", "layers": 12, "heads": 9, "kv_heads": 3, "hidden_size": 576, "ffn_size": 1536}
LLAMA |= {"vocab_size": 49152, "context": 2048, "tie": True}
T5 = {"preset": "t5", "layers": 6, "heads": 8, "hidden_size": 512, "ffn_size": 2048}
OURS = ("trivium bf16", "trivium fp32")
NANO = ("nanogpt fp32", "nanogpt bf16", "nanogpt bf16 compiled")
LIT = ("litgpt fp32", "litgpt bf16", "litgpt bf16 compiled")
STOCK = ("transformers fp32", "transformers bf16", "transformers bf16 compiled")
SMALLER = ("recompute", "parts", "recompute parts")
CASES = {
    "gpt2": Case(GPT2, 4, 256, (*OURS, *NANO)),
    "llama": Case(LLAMA, 4, 256, (*OURS, *LIT, *STOCK)),
    "bert": Case({"preset": "bert"}, 16, 128, (*OURS, *STOCK)),
    "t5": Case(T5, 8, 256, (*OURS, *STOCK), 2),
    "char": Case(SMALL, 12, 64, (*OURS, "trivium fp32 compiled", *NANO, "nanogpt fp32 compiled"), 20),
    "memory": Case(GPT2, 8, 512, ("trivium bf16", *(f"trivium bf16 {words}" for words in SMALLER), *NANO)),
}


def work(case: Case, side: str, began: float) -> None:
    """Be one side: do a first step, then as many as each line of stdin asks for; answer in JSON."""
    name, *words = side.split()
    run = SIDES[name](case, words)
    first = run()
    print(json.dumps({"start": round(time.time() - began, 2), "loss": first}), flush=True)
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            loss = run()
        seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps({**seconds, "loss": loss, "peak": peak()}), flush=True)


def peak() -> int:
    """Return the most MB that this process held; ru_maxrss would begin with those of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        words = status.read_text(encoding="utf-8").split()
        return round(int(words[words.index("VmHWM:") + 1]) / 1024)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


class Side:
    """The process of a side."""

    def __init__(self, case: str, name: str) -> None:
        command = [sys.executable, __file__, "--side", case, name, "--began", str(time.time())]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.first = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)  # type: ignore[no-any-return]
        raise SystemExit("a side ended; see above")

    def turn(self, steps: int) -> dict[str, Any]:
        """Do some steps, and return the seconds of one."""
        assert self.process.stdin is not None
        print(steps, file=self.process.stdin, flush=True)
        found = self._answer()
        return {**found, "wall": found["wall"] / steps, "cpu": found["cpu"] / steps}

    def end(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def timed(run: Callable[[], object], clock: Callable[[], float], rounds: int = 3) -> float:
    """Return the least seconds of a call."""
    run()
    found = []
    for _ in range(rounds):
        start = clock()
        run()
        found.append(clock() - start)
    return min(found)


def ceilings(clock: Callable[[], float]) -> dict[str, float]:
    """Return GFLOP/s of a product in float32 and bfloat16, and the GB/s that a copy reads and writes."""
    import torch

    found = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
        found[f"{name}_gflops"] = round(2 * 2048**3 / timed(lambda: a @ b, clock) / 1e9, 1)  # noqa: B023
    here, there = torch.ones(1 << 27), torch.zeros(1 << 27)
    found["copy_gbs"] = round(2 * 4 * (1 << 27) / timed(lambda: there.copy_(here), clock) / 1e9, 1)
    return found


def matrices(case: Case) -> Iterator[tuple[int, int, int, int]]:
    """Yield (count, rows, inputs, outputs) of the products of a step; a layer above the rows that it reads."""
    from collections import Counter

    from torch import nn

    from trivium.model.config import configure
    from trivium.model.layer.head import VocabularyHead
    from trivium.model.weights import empty

    config, found = configure(**case.model), Counter[tuple[int, int, int]]()
    many = case.rows * case.length
    targets = int(masked(case).sum()) if config.decoder is None else many if config.encoder is None else many // 4
    for name, module in empty(config).named_modules():
        if isinstance(module, VocabularyHead):
            found[targets, config.hidden_size, config.vocab_size] += 1
        elif isinstance(module, nn.Linear):
            memory = ".cross.k" in name or ".cross.v" in name
            short = name.startswith("decoder") and config.encoder is not None and not memory
            rows = targets if name.startswith("head") else many // 4 if short else many
            found[rows, module.in_features, module.out_features] += 1
    for (rows, inputs, outputs), count in found.items():
        yield count, rows, inputs, outputs


def products(case: Case, clock: Callable[[], float]) -> dict[str, float]:
    """Return the GFLOP of the products of a step, and their seconds alone in each type."""
    import torch

    found = {"gflop": 0.0, "bf16": 0.0, "fp32": 0.0}
    for count, rows, inputs, outputs in matrices(case):
        found["gflop"] += count * 6 * rows * inputs * outputs / 1e9
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            x, w, g = (torch.randn(*size).to(dtype) for size in ((rows, inputs), (outputs, inputs), (rows, outputs)))
            for run in (lambda: x @ w.T, lambda: g @ w, lambda: g.T @ x):  # noqa: B023
                found[name] += count * timed(run, clock)
    return {name: round(value, 5) for name, value in found.items()}


def measure(name: str, case: Case, pairs: int, clock: str, without: str) -> dict[str, Any]:
    """Return the seconds of a step of each side, its share of the ceilings, and the ratios of ours to the peers."""
    together = name != "memory"
    present = [side for side in case.sides if there(side) and without not in side.split()]
    standing = {side: Side(name, side) for side in present} if together else {}
    turns: dict[str, list[dict[str, Any]]] = {side: [] for side in present}
    if together:
        for side in present:
            standing[side].turn(case.steps)
        for _ in range(pairs):
            for side in present:
                turns[side].append(standing[side].turn(case.steps))
    starts = {}
    for side in present:
        process = standing.get(side) or Side(name, side)
        if not together:
            turns[side] = [process.turn(2)]
        starts[side] = process.first["start"]
        process.end()
    timer = time.process_time if clock == "cpu" else time.perf_counter
    machine, own = ceilings(timer), products(case, timer)
    found: dict[str, Any] = {"machine": machine, "products": own, "sides": {}, "ratios": {}}
    for side in present:
        seconds = statistics.median(turn[clock] for turn in turns[side])
        kind = "bf16" if "bf16" in side else "fp32"
        found["sides"][side] = {
            "tokens_per_second": round(case.rows * case.length / seconds, 1),
            "of_gemm": round(own["gflop"] / seconds / machine[f"{kind}_gflops"], 3),
            "of_products": round(own[kind] / seconds, 3),
            "peak_mb": turns[side][-1]["peak"],
            "start_s": starts[side],
            "loss": round(turns[side][-1]["loss"], 4),
        }
        print(f"  {side:28} {found['sides'][side]}", flush=True)
    for mine in (side for side in present if side.startswith("trivium")):
        for other in (side for side in present if not side.startswith("trivium")):
            each = [b[clock] / a[clock] for a, b in zip(turns[mine], turns[other], strict=True)]
            found["ratios"][f"{mine} / {other}"] = [round(f(each), 2) for f in (statistics.median, min, max)]
    memory = {side: facts["peak_mb"] for side, facts in found["sides"].items()}
    found["ratios"] |= {
        f"peak memory, {mine} / {other}": round(memory[mine] / memory[other], 2)
        for mine in memory
        for other in memory
        if mine.startswith("trivium bf16") and not other.startswith("trivium")
    }
    return found


def there(side: str) -> bool:
    """Return whether a side can run here."""
    if side.startswith("nanogpt"):
        return (Path(os.environ.get("NANOGPT", "")) / "model.py").is_file()
    return importlib.util.find_spec(side.split()[0]) is not None


def instructions() -> str:
    """Return the best instructions for bfloat16 that this processor has."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text(encoding="utf-8").split() if path.exists() else []
    return next((name for name in ("amx_bf16", "avx512_bf16") if name in flags), "neither AMX nor avx512_bf16")


def main() -> None:
    """Measure the cases that are asked for, print them, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--nanogpt", default=os.environ.get("NANOGPT", ""))
    parser.add_argument(
        "--without", default="", help="leave out the sides with this word: compiled, which takes minutes"
    )
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        return work(CASES[given.side[0]], given.side[1], given.began)
    os.environ |= {"NANOGPT": given.nanogpt, "OMP_NUM_THREADS": str(given.threads)}
    import torch

    from trivium.base.files import write_json

    torch.set_num_threads(given.threads)
    clock = "cpu" if given.threads == 1 else "wall"
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in given.only:
        case = CASES[name]
        print(f"{name}: {case.rows} x {case.length} ids", flush=True)
        found = measure(name, case, given.pairs, clock, given.without)
        about = {"date": str(date.today()), "threads": given.threads, "clock": clock, "load": os.getloadavg()[0]}
        about |= {"torch": torch.__version__, "processor": platform.machine(), "bf16": instructions()}
        kept[name] = {**about, "pairs": given.pairs, "steps_of_a_turn": case.steps, **found}
        for what in ("machine", "products", "ratios"):
            print(f"  {what}: {found[what]}", flush=True)
        write_json(RESULTS, kept)


if __name__ == "__main__":
    main()
