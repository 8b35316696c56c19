import torch
from torch import nn

import tiny
from trivium.base.seeds import generator
from trivium.train.optim import adamw, optim
from trivium.train.optim.adamw import AdamW
from trivium.train.optim.optim import clip


def test_the_groups_carry_their_numbers():
    first, second = AdamW(lr=0.5, weight_decay=0.3, beta1=0.8, beta2=0.7, eps=1e-5).build(tiny.model()).param_groups
    assert (first["weight_decay"], second["weight_decay"]) == (0.3, 0.0)
    assert first["lr"] == second["lr"] == 0.5 and first["betas"] == (0.8, 0.7) and first["eps"] == 1e-5


def test_adamw_does_what_its_paper_says():
    """Three steps of the formula in float64, by hand."""
    layer = nn.Linear(3, 2, bias=False)
    optimizer = AdamW(lr=0.1, weight_decay=0.2, beta1=0.9, beta2=0.95, eps=1e-8).build(layer)
    w, m, v = layer.weight.detach().double(), torch.zeros(2, 3).double(), torch.zeros(2, 3).double()
    for t in range(1, 4):
        grad = torch.from_numpy(generator(t).standard_normal((2, 3)))
        layer.weight.grad = grad.float()
        optimizer.step()
        m, v = 0.9 * m + 0.1 * grad, 0.95 * v + 0.05 * grad**2
        w = w * (1 - 0.1 * 0.2) - 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.95**t)).sqrt() + 1e-8)
    assert torch.allclose(layer.weight.double(), w, atol=1e-6)


def test_blocks_and_copies_change_no_bit(monkeypatch):
    for module in (adamw, optim):
        monkeypatch.setattr(module, "BLOCK", 64)
    one, other = (tiny.model("gpt2") for _ in range(2))
    first, second = AdamW(lr=0.1).build(one), AdamW(lr=0.1).build(other)
    second.copies = {p: p.detach().bfloat16() for p in other.parameters() if p.ndim == 2}
    for step in range(3):
        for number, (a, b) in enumerate(zip(one.parameters(), other.parameters(), strict=True)):
            a.grad = torch.from_numpy(generator(step, number).standard_normal(a.shape)).float()
            b.grad = a.grad.clone()
        for optimizer in (first, second):
            clip(optimizer, (), 8.0, 2.0)
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(copy, p.bfloat16()) for p, copy in second.copies.items())
    states = zip(first.state_dict()["state"].values(), second.state_dict()["state"].values(), strict=True)
    assert all(torch.equal(a[key], b[key]) for a, b in states for key in a)
