"""The line of a step says its speed, its share of the device's products, loss, gradient norm and memory."""

import pytest
import torch
from torch import nn

import tiny
from trivium.base import log
from trivium.model.size import flops
from trivium.train import console as module
from trivium.train.console import Console
from trivium.train.parallel.world import World
from trivium.train.step import Step


@pytest.fixture
def bar(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    made = log.Progress("training", 10, "steps")
    now[0] = 2.0
    return made


def batches(data):
    return tiny.loader(tiny.document_rows(data)).step(0)


def test_mfu_is_the_flops_a_second_as_a_share_of_a_product(bar, data, monkeypatch, capsys):
    model, taken = tiny.model(), batches(data)
    asked = []
    monkeypatch.setattr(module, "product_flops", lambda *kind: asked.append(kind) or 1e9)
    line = Console(model, torch.bfloat16, World(size=2), Step(tokens=40))
    words = line.line(bar, Step(step=9, tokens=1040, loss=2.5, norm=0.25, memory=3 << 20), taken)
    length = taken[0].dec.shape[1]
    held = sum(len(batch.stream.documents) for batch in taken)
    whole = held * length * flops(model.config, length)  # as if each position were a target
    head = 6 * model.head.weight.numel() * (held * length - sum(batch.count() for batch in taken))
    share = (whole - head) / sum(batch.tokens() for batch in taken) * 500 / (1e9 * 2)
    assert words == f"500 tokens/s, MFU {100 * share:.3g}%, loss 2.500, gradient norm 0.25, 3 MiB"
    said = capsys.readouterr().out
    assert "share of 1.00 GFLOP/s a process, a product of 1,024 x 1,024 in bf16 as measured here" in said
    line.line(bar, Step(tokens=2040), taken)
    assert asked == [(torch.bfloat16, "cpu")] and not capsys.readouterr().out, "it is measured and said once"


def test_a_model_of_ones_own_has_no_mfu(bar):
    line = Console(nn.Linear(2, 2), torch.float32, World(), Step())
    assert line.line(bar, Step(tokens=100, loss=2.5, norm=1.0), []) == "50.0 tokens/s, loss 2.500, gradient norm 1"
