"""Muon: its steps are those of PyTorch's own, its matrices are orthogonal, and everything else is AdamW's."""

import json

import pytest
import torch
from torch import nn

import tiny
from trivium.base.seeds import generator
from trivium.train.loop import train
from trivium.train.optim.adamw import AdamW
from trivium.train.optim.muon import AutoOptim, Muon, extra_share, matrices, orthogonal
from trivium.train.optim.optim import clip


def filled(model, step, scale=1.0):
    for number, p in enumerate(model.parameters()):
        p.grad = torch.from_numpy(generator(step, number).standard_normal(p.shape) * scale).float()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 20), (2, 20, 6)])
def test_singular_values_come_near_one_and_vectors_stay(shape):
    x = torch.from_numpy(generator(1).standard_normal(shape)).float()
    found = orthogonal(x)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    inner = u.mT @ found @ v.mT
    assert torch.allclose(inner, torch.diag_embed(inner.diagonal(dim1=-2, dim2=-1)), atol=1e-4)


def test_a_matrix_is_as_with_the_muon_of_torch():
    ours, theirs = (nn.Sequential(nn.Linear(24, 40, bias=False), nn.Linear(40, 40, bias=False)) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    made = Muon(lr=0.02, weight_decay=0.1, momentum_warmup_steps=0).build(ours)
    like = torch.optim.Muon(theirs.parameters(), lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    start = [p.detach().clone() for p in ours.parameters()]
    for step in range(4):
        for model, optimizer in ((ours, made), (theirs, like)):
            filled(model, step)
            optimizer.step()
    for a, b, old in zip(ours.parameters(), theirs.parameters(), start, strict=True):
        assert float((a - b).detach().norm()) < 0.03 * float((b - old).detach().norm()), (
            "torch rounds its products to bfloat16"
        )


def test_all_but_the_matrices_of_blocks_are_adamws_to_the_bit():
    ours, theirs = tiny.model("gpt2", tree={"tie": False}), tiny.model("gpt2", tree={"tie": False})
    made, plain = Muon(lr=0.1).build(ours), AdamW(lr=0.1).build(theirs)
    for step in range(3):
        for model, optimizer in ((ours, made), (theirs, plain)):
            filled(model, step)
            clip(optimizer, model.parameters(), 10.0, 5.0)
            optimizer.step()
    mine = {id(one) for one in matrices(ours)}
    same = [torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True) if id(a) not in mine]
    assert len(mine) == 2 * 6 and all(same) and len(same) > 10
    assert not any(
        torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True) if id(a) in mine
    )


def test_the_momentum_rises():
    model = nn.Sequential(nn.Linear(4, 4, bias=False))
    made = Muon(momentum=0.95, momentum_warmup_steps=100).build(model)
    assert [round(made._momentum(step), 4) for step in (0, 50, 100, 900)] == [0.85, 0.9, 0.95, 0.95]


def test_copies_in_bfloat16_follow():
    model = nn.Sequential(nn.Linear(8, 8, bias=False))
    made = Muon(lr=0.1).build(model)
    made.copies = {p: p.detach().bfloat16() for p in model.parameters()}
    filled(model, 0)
    made.step()
    assert all(torch.equal(copy, p.bfloat16()) for p, copy in made.copies.items())


def test_with_copies_the_products_are_bfloat16_and_the_update_is_nearly_the_same():
    changes = {}
    for copied in (False, True):
        model = nn.Sequential(nn.Linear(24, 40, bias=False), nn.Linear(24, 40, bias=False))
        made = Muon(lr=0.1, weight_decay=0.0).build(model)
        nn.init.zeros_(model[0].weight)
        made.copies = {p: p.detach().bfloat16() for p in model.parameters()} if copied else {}
        for step in range(3):
            filled(model, step)
            made.step()
        changes[copied] = model[0].weight.detach()
    assert 0 < float((changes[True] - changes[False]).norm()) < 0.03 * float(changes[False].norm())


def test_auto_takes_muon_where_it_is_cheap(capsys):
    model = tiny.model()
    few, many = extra_share(model, 64), extra_share(model, 1 << 20)
    assert many < 0.001 < 0.1 < few
    square = nn.Sequential(nn.Linear(16, 16, bias=False))
    square.head = nn.Module()
    assert extra_share(square, 1000) == pytest.approx(1 / (1 + 6 * 1000 / (5 * 6 * 16)))
    auto = AutoOptim(lr=0.3, beta2=0.9, momentum=0.8)
    assert auto.chosen(model, 64) == AdamW(lr=0.3, beta2=0.9)
    assert auto.chosen(model, 1 << 20) == Muon(lr=0.3, beta2=0.9, momentum=0.8)
    told = capsys.readouterr().out
    assert "optimizer: adamw, chosen by auto" in told and "optimizer: muon, chosen by auto: muon would be 0%" in told


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_run_is_the_same_bit_for_bit(tmp_path, precision):
    data = tiny.write_corpus(tmp_path / "data", tiny.documents([11, 30, 5, 17, 9, 8]))
    recipe = tiny.recipe(optim={"kind": "muon", "lr": 1e-2}, schedule="constant", precision=precision)
    for folder, stops in (("whole", [6]), ("parts", [2, 3, 6])):
        (tmp_path / folder).mkdir()
        for steps in stops:
            train(tiny.model(), tiny.loader(tiny.document_rows(data)), recipe, steps, tmp_path / folder)
    whole, parts = (
        [path.read_bytes() for path in sorted((tmp_path / name).glob("checkpoints/*6/*.safetensors"))]
        for name in ("whole", "parts")
    )
    assert whole == parts
    losses = [json.loads(line)["loss"] for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]
