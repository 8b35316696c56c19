"""The one step from numpy to torch."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from trivium.base.batch import Batch, collate
from trivium.base.types import Example
from trivium.model.device import bf16_gain, evaluating, memory_bytes, place, used_bytes


def test_a_placed_batch_is_the_same_batch_in_tensors() -> None:
    example = Example(dec=np.array([3, 4]), targets={"token": np.array([4, 5])}, weights=np.array([1, 2.0]))
    batch = collate([[example], [example, example]], pad=0)
    placed = place(batch)
    assert isinstance(placed, Batch) and placed.enc is None and placed.dec is not None
    for name in ("ids", "positions", "documents"):
        assert torch.equal(getattr(placed.dec, name), torch.from_numpy(getattr(batch.dec, name)))
    assert placed.weights is not None and placed.weights.dtype == torch.float32
    assert placed.count() == batch.count() == 9.0


def test_the_gain_of_bf16_is_measured() -> None:
    assert bf16_gain("cpu") > 0
    assert bf16_gain("cpu") is bf16_gain("cpu")


def test_a_process_knows_what_it_holds():
    before, held = (used_bytes(), mmap.mmap(-1, 32 << 20))  # torch may have kept freed memory
    torch.frombuffer(held, dtype=torch.uint8).fill_(1)
    assert (30 << 20) < used_bytes() - before < (60 << 20)


FAULTS = """
import resource
import torch
from trivium.model.device import reuse_memory

{call}
total = torch.zeros(())
for _ in range(20):
    total = total + torch.ones(1 << 24).sum()
assert total == 20 << 24
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is of glibc")
def test_freed_memory_is_kept_for_the_next_tensor() -> None:
    def faults(call: str) -> int:
        environment = os.environ | {"THP_MEM_ALLOC_ENABLE": "0"}
        run = [sys.executable, "-c", FAULTS.format(call=call)]
        return int(subprocess.run(run, env=environment, check=True, capture_output=True, text=True).stdout)

    pages = (1 << 26) // os.sysconf("SC_PAGE_SIZE")  # of one tensor
    assert faults("reuse_memory()") < faults("") - 5 * pages


HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
LARGE = """
import trivium
import torch

large = torch.ones(1 << 25)
with open("/proc/self/smaps_rollup") as file:
    print(next(line.split()[1] for line in file if line.startswith("AnonHugePages")))
"""


@pytest.mark.skipif(not HUGE.is_file() or "[madvise]" not in HUGE.read_text(), reason="pages are not given on request")
@pytest.mark.parametrize("asked", ["", "0"])
def test_large_tensors_take_large_pages_unless_the_user_says_no(asked: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    if asked:
        environment["THP_MEM_ALLOC_ENABLE"] = asked
    run = subprocess.run([sys.executable, "-c", LARGE], env=environment, check=True, capture_output=True, text=True)
    assert (int(run.stdout) >= 64 * 1024) == (not asked)


@pytest.mark.parametrize("training", [True, False])
def test_each_mode_comes_back_even_after_an_error(training: bool) -> None:
    model = tiny.model(layers=1).train(training)
    model.head.train(not training)  # a part may be new, or frozen
    before = [module.training for module in model.modules()]
    with pytest.raises(KeyError), evaluating(model):
        assert not any(module.training for module in model.modules()) and not torch.is_grad_enabled()
        raise KeyError
    assert [module.training for module in model.modules()] == before and torch.is_grad_enabled()


def test_the_memory_of_the_cpu_is_that_of_the_machine_or_of_its_group() -> None:
    found = memory_bytes(torch.device("cpu"))
    told = Path("/proc/meminfo")
    if not told.is_file():
        pytest.skip("only Linux tells its memory in a file")
    whole = int(told.read_text().split("MemTotal:")[1].split()[0]) * 1024
    assert found is not None and 0 < found <= whole
