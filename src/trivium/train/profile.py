"""Where the time of a step goes: a few steps of a run are traced, and its dearest operators told."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

from trivium.base.files import write_text
from trivium.base.log import columns, say, warn

CPU, CUDA = ProfilerActivity.CPU, ProfilerActivity.CUDA
SKIPPED, TRACED = 3, 5
"""The steps before those that are traced, which are slow, and the steps that are."""
SHOWN, WIDE = 10, 60
"""The operators that are told, and the most characters of a name."""

Item = TypeVar("Item")


def traced(steps: Iterator[Item], path: Path) -> Iterator[Item]:
    """Yield steps and trace some: print the operators that take most time, write the trace to `path`, and go on.

    The file is for Perfetto and the trace viewer of Chrome.
    """
    where, kinds = ("device", [CPU, CUDA]) if torch.cuda.is_available() else ("cpu", [CPU])
    tracer, begun, told = profile(activities=kinds), 0, False
    try:
        for step in steps:
            if begun == SKIPPED:
                tracer.start()
            begun += 1
            yield step
            if begun == SKIPPED + TRACED:
                told = True
                tell(tracer, TRACED, path, where)
    finally:
        if begun > SKIPPED and not told:  # the loop ended at the step that it was given last
            tell(tracer, begun - SKIPPED, path, where)
        elif begun <= SKIPPED:
            warn(f"--profile: the run ended after {begun} steps; the first that is traced is step {SKIPPED + 1}")


def tell(tracer: profile, steps: int, path: Path, where: str) -> None:
    """End a trace of so many steps, print its dearest operators by their own time on cpu or device, and write it."""
    tracer.stop()
    with tempfile.TemporaryDirectory() as folder:
        tracer.export_chrome_trace(f"{folder}/trace.json")
        write_text(path, Path(folder, "trace.json").read_text(encoding="utf-8"))
    spent = {one.key: (getattr(one, f"self_{where}_time_total"), one.count) for one in tracer.key_averages()}
    total = sum(time for time, _ in spent.values()) or 1.0
    dearest = sorted(spent.items(), key=lambda item: -item[1][0])[:SHOWN]
    rows = [
        (name[:WIDE], count, f"{time / 1000 / steps:.2f}", f"{time / total:.1%}") for name, (time, count) in dearest
    ]
    say(f"{steps} steps were traced, {total / 1e6 / steps:.3f} s a step; the dearest operators, by their own time:")
    for line in columns([("operator", "calls", "ms a step", "share"), *rows]):
        say(f"  {line}")
    say(f"the trace is {path}; the run goes on")
