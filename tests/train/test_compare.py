"""Losses that compare, beside their definitions."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import tiny
from trivium.base.batch import Batch, collate
from trivium.base.types import IGNORE, Example
from trivium.model.device import place
from trivium.model.layer.score import SentenceEmbedding
from trivium.train.compare import contrast_loss, log_likelihoods, prefer_loss
from trivium.train.loss import LossConfig


def grouped(sizes, packed):
    """Groups of texts; the first of each says how many follow."""
    groups = [
        [Example(enc=np.arange(3, 6 + i), targets={"group": np.array(n - 1)} if i == 0 else {}) for i in range(n)]
        for n in sizes
    ]
    rows = [[one for made in groups for one in made]] if packed else groups
    return place(collate(rows, 0))


@pytest.mark.parametrize("packed", [False, True])
def test_each_text_must_find_its_own_among_all(packed):
    batch = grouped([2, 3, 2], packed)
    head = SentenceEmbedding(pool="first").build(8, 11, None)
    hidden = torch.randn(*batch.stream.ids.shape, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    total, each, _ = contrast_loss(head, hidden, batch, LossConfig(temperature=0.1))
    vectors = F.normalize(hidden[(batch.stream.positions == 0) & (batch.stream.documents > 0)], dim=-1)
    others = vectors[[1, 3, 4, 6]]
    expected = F.cross_entropy(vectors[[0, 2, 5]] @ others.T / 0.1, torch.tensor([0, 1, 3]), reduction="none")
    assert torch.allclose(each, expected) and torch.allclose(total, expected.sum()) and batch.count() == 3
    total.backward()
    assert hidden.grad.abs().sum() > 0


def paired(margins):
    rows = []
    for margin in margins:
        chosen, rejected = tiny.example(3, 8), tiny.example(2, 6)
        rows.append(
            [Example(dec=chosen.dec, targets={**chosen.targets, "margin": np.array(margin, np.float32)}), rejected]
        )
    return place(collate(rows, 0))


def test_the_log_likelihood_of_a_text_is_that_of_its_targets():
    batch = paired([0.0, 1.0])
    torch.manual_seed(0)
    hidden, matrix = torch.randn(*batch.dec.ids.shape, 8), torch.nn.Linear(8, 64, bias=False)
    found = log_likelihoods(matrix, hidden, batch)
    scores, targets = matrix(hidden).log_softmax(-1), batch.targets["token"]
    for row in range(2):
        for text in (1, 2):
            here = (batch.dec.documents[row] == text) & (targets[row] != IGNORE)
            expected = scores[row, here].gather(1, targets[row, here][:, None]).sum()
            assert torch.allclose(found[2 * row + text - 1], expected, atol=1e-5)


def test_preference_is_measured_from_the_reference():
    batch = paired([0.0, 0.0])
    torch.manual_seed(0)
    hidden, head = torch.randn(*batch.dec.ids.shape, 8), torch.nn.Linear(8, 64, bias=False)
    likely = log_likelihoods(head, hidden, batch).detach()
    margins = (likely[0::2] - likely[1::2]).tolist()
    _, same, _ = prefer_loss(head, hidden, paired(margins))
    assert torch.allclose(same, torch.full((2,), math.log(2)), atol=1e-4)
    total, each, right = prefer_loss(head, hidden, paired([margins[0] - 10, margins[1] + 10]), LossConfig(beta=0.5))
    expected = [math.log1p(math.exp(-5)), math.log1p(math.exp(5))]
    assert each.tolist() == pytest.approx(expected, rel=1e-3) and right.tolist() == [1, 0]
    assert float(total.detach()) == pytest.approx(sum(expected), rel=1e-3)


@pytest.mark.parametrize("loss", [contrast_loss, prefer_loss])
def test_a_batch_without_targets_gives_a_connected_zero(loss):
    batch = grouped([2], False)
    hidden = torch.randn(1, 4, 8).requires_grad_()
    total, each, _ = loss(SentenceEmbedding().build(8, 11, None), hidden, Batch(batch.enc, None, {}))
    total.backward()
    assert total.item() == 0 and not len(each) and hidden.grad is not None
