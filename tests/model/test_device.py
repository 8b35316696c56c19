"""The one step from numpy to torch."""

from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from trivium.base.batch import Batch, collate
from trivium.base.types import Example
from trivium.model.device import bf16_gain, evaluating, memory_bytes, place, reuse_memory


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


def test_memory_is_reused_without_complaint() -> None:
    reuse_memory()
    assert torch.ones(1 << 20).sum() == 1 << 20


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
