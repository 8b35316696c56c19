"""Memory and time of the attention kernels, by length and by the share of allowed pairs.

    python bench/attention.py [--threads 1] [--rounds 3]

The attention of one layer, forward and backward, 8 heads of 64, float32. A time is the median of rounds in which the
sides take turns, on one thread by default, because a busy machine slows several threads most. A peak is the high-water
mark of a process of its own. The script prints its results and writes bench/results/attention-<date>.json.
"""

import argparse
import json
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch

from trivium.base.files import write_json
from trivium.model.attention.auto import Auto
from trivium.model.attention.kernel import SDPA, Eager, Kernel
from trivium.model.attention.pattern import Causal, Full, Pattern, Where, Window
from trivium.model.attention.sparse import Dilated, Global, Random, Strided
from trivium.model.attention.tiled import BLOCK, Tiled
from trivium.model.attention.view import View
from trivium.model.size import attended

HEADS, WIDTH = 8, 64
KERNELS = {"eager": Eager(), "tiled": Tiled(), "sdpa": SDPA()}
LENGTHS = (1024, 2048, 4096, 8192, 16384)
EAGER_LONGEST = 4096
PATTERNS: dict[str, Pattern] = {
    "full": Full(),
    "causal": Causal(),
    "window 256": Window(size=256),
    "longformer": Window(size=256, both=True) | Global(),
    "bigbird": Window(size=128, both=True) | Global(tokens=tuple(range(64))) | Random(block=64, count=3),
    "strided 128": Strided(stride=128),
    "dilated 64 x 4": Dilated(size=64, step=4),
}
MB = 2**20


def step(
    kernel: Kernel, pattern: Pattern, length: int, kv_heads: int = HEADS, view: View | None = None
) -> Callable[[], float]:
    """Return a function that runs one forward and backward pass and returns its seconds.

    Without a view the input is one whole row, and each pass makes its view.
    """
    count = 1 if view is None else len(view.q.position)
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(count, heads, length, WIDTH, generator=generator).requires_grad_()
        for heads in (HEADS, kv_heads, kv_heads)
    )
    position = torch.arange(length)[None]
    where = Where(position, torch.ones_like(position))

    def run() -> float:
        q.grad = k.grad = v.grad = None
        start = time.perf_counter()
        seen = view or View(pattern, where, where, plain=True)
        kernel.attend(q, k, v, seen, WIDTH**-0.5).sum().backward()
        return time.perf_counter() - start

    return run


def turns(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each side; the sides take turns: A B A B."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            seconds[name].append(run())
    return {name: statistics.median(values) for name, values in seconds.items()}


def high_water() -> float:
    """Return the peak memory of this process since the mark was last cleared, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def peak(kernel: str, length: int) -> float:
    """Return the MB that one pass needs on top of its inputs."""
    run = step(KERNELS[kernel], Causal(), length)
    Path("/proc/self/clear_refs").write_text("5")
    before = high_water()
    run()
    return high_water() - before


def memory(threads: int) -> dict[str, dict[str, float]]:
    """Return the peaks by kernel and length, each from a process of its own."""
    table: dict[str, dict[str, float]] = {}
    for kernel in KERNELS:
        table[kernel] = {}
        for length in LENGTHS:
            if kernel == "eager" and length > EAGER_LONGEST:
                table[kernel][f"{length} (extrapolated)"] = (
                    table[kernel][str(EAGER_LONGEST)] * (length / EAGER_LONGEST) ** 2
                )
                continue
            command = [sys.executable, __file__, "--peak", kernel, str(length), "--threads", str(threads)]
            table[kernel][str(length)] = float(subprocess.check_output(command, text=True))
        row = "  ".join(f"{length} {value:,.0f}" for length, value in table[kernel].items())
        print(f"  {kernel:<6} {row}", flush=True)
    return table


def measure(threads: int, rounds: int) -> dict[str, object]:
    """Measure everything and print it."""
    print("peak MB of one causal layer, forward and backward, by length")
    result: dict[str, object] = {"peak_mb": memory(threads)}

    times: dict[str, dict[str, float]] = {}
    for length in (4096, 16384):
        sides = {
            "sdpa causal": step(SDPA(), Causal(), length),
            "tiled causal": step(Tiled(), Causal(), length),
            "tiled window 256": step(Tiled(), Window(size=256), length),
        }
        times[str(length)] = turns(sides, rounds)
        print(f"seconds at n = {length}: " + ", ".join(f"{name} {t:.2f}" for name, t in times[str(length)].items()))
    long, short = times["16384"], times["4096"]
    ratios = {
        "full causal / window 256 at 16k, tiled (goal 8 or more)": long["tiled causal"] / long["tiled window 256"],
        "window 256, time at 16k / time at 4k (goal 4.6 or less)": long["tiled window 256"] / short["tiled window 256"],
        "tiled / sdpa, causal at 16k (goal 3 or less)": long["tiled causal"] / long["sdpa causal"],
        "tiled / sdpa, causal at 4k": short["tiled causal"] / short["sdpa causal"],
    }
    for name, ratio in ratios.items():
        print(f"  {name}: {ratio:.2f}")
    result |= {"seconds": times, "ratios": ratios}

    print("patterns at n = 8192, automatic choice, against full attention in sdpa")
    taken = turns({name: step(Auto(), pattern, 8192) for name, pattern in PATTERNS.items()}, rounds)
    result["patterns"] = {}
    for name, pattern in PATTERNS.items():
        share = attended(pattern, 8192) / 8192
        row = {"pairs": share, "seconds": taken[name], "time": taken[name] / taken["full"]}
        result["patterns"][name] = row  # type: ignore[index]
        print(f"  {name:<15} {share:>6.1%} of the pairs  {row['seconds']:.2f} s  {row['time']:>6.1%} of the time")

    print("where tiles pay: packed documents and windows, 4,096 tokens in rows of n")
    result["rows"] = rows(rounds)

    print("decoding one token at context 4096, one layer")
    result["decode"] = decode(rounds)
    return result


def packed(length: int, document: int, count: int) -> Where:
    """Return the places of `count` rows, packed with documents of `document` tokens plus or minus a third."""
    draw, found = random.Random(0), []
    for _ in range(count):
        sizes: list[int] = []
        while sum(sizes) < length:
            sizes.append(draw.randint(2 * document // 3, 4 * document // 3))
        positions = torch.cat([torch.arange(size) for size in sizes])
        documents = torch.repeat_interleave(torch.arange(1, len(sizes) + 1), torch.tensor(sizes))
        found.append((positions[:length], documents[:length]))
    positions, documents = map(torch.stack, zip(*found, strict=True))
    return Where(positions, documents)


def rows(rounds: int) -> list[dict[str, object]]:
    """Return the seconds of sdpa with a mask and of tiled, by row length and share of the blocks that is seen."""
    table: list[dict[str, object]] = []
    for length in (512, 1024, 2048, 4096):
        count = 4096 // length
        whole = packed(length, 3 * length, count)
        cases: dict[str, tuple[Pattern, Where]] = {
            f"documents of {length // part}": (Causal(), packed(length, length // part, count)) for part in (2, 8)
        }
        cases |= {f"window {size}": (Window(size=size), whole) for size in (64, 256)}
        for name, (pattern, where) in cases.items():
            view = View(pattern, where, where)  # shared by both, as by the layers of a model
            sides = {kernel: step(KERNELS[kernel], pattern, length, view=view) for kernel in ("sdpa", "tiled")}
            taken, share = turns(sides, rounds), view.share(BLOCK)
            ratio = taken["tiled"] / taken["sdpa"]
            table.append({"length": length, "case": name, "share": share, **taken, "ratio": ratio})
            print(f"  {length:>5} {name:<18} {share:>4.0%} of the blocks  tiled / sdpa {ratio:.2f}", flush=True)
    return table


def decode(rounds: int) -> dict[str, dict[str, float]]:
    """Return the seconds of one step and the bytes of keys and values, by number of key/value heads."""
    table = {}
    for name, kv_heads in (("MHA", HEADS), ("GQA", 2), ("MQA", 1)):
        q = torch.randn(1, HEADS, 1, WIDTH)
        k, v = torch.randn(2, 1, kv_heads, 4096, WIDTH)
        where = Where(torch.arange(4096)[None], torch.ones(1, 4096, dtype=torch.long))
        view = View(Causal(), where.map(lambda x: x[:, -1:]), where, plain=True)

        def run(q: torch.Tensor = q, k: torch.Tensor = k, v: torch.Tensor = v, view: View = view) -> float:
            start = time.perf_counter()
            with torch.no_grad():
                for _ in range(50):
                    Auto().attend(q, k, v, view, WIDTH**-0.5)
            return (time.perf_counter() - start) / 50

        table[name] = {"milliseconds": 1e3 * turns({name: run}, rounds)[name], "cache_mb": 2 * k.nbytes / MB}
        print(f"  {name} {table[name]['milliseconds']:.2f} ms, {table[name]['cache_mb']:.1f} MB of keys and values")
    return table


def machine(threads: int) -> dict[str, object]:
    """Return the machine, the versions and the threads."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "cpu": names[0],
        "cores": len(names),
        "threads": threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.peak:
        print(peak(chosen.peak[0], int(chosen.peak[1])))
    else:
        found = {
            "date": date.today().isoformat(),
            "machine": machine(chosen.threads),
            **measure(chosen.threads, chosen.rounds),
        }
        path = Path(__file__).parent / "results" / f"attention-{found['date']}.json"
        path.parent.mkdir(exist_ok=True)
        write_json(path, found)
        print(f"written to {path}")
        print(json.dumps(found["machine"]))
