"""The contrastive loss beside its definition."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from trivium.base.batch import Batch, collate
from trivium.base.types import Example
from trivium.model.device import place
from trivium.model.layer.score import SentenceEmbedding
from trivium.train.loss.contrast import ContrastLoss
from trivium.train.loss.prefer import PreferLoss


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
    total, each, _ = ContrastLoss(temperature=0.1)(head, hidden, batch)
    vectors = F.normalize(hidden[(batch.stream.positions == 0) & (batch.stream.documents > 0)], dim=-1)
    others = vectors[[1, 3, 4, 6]]
    expected = F.cross_entropy(vectors[[0, 2, 5]] @ others.T / 0.1, torch.tensor([0, 1, 3]), reduction="none")
    assert torch.allclose(each, expected) and torch.allclose(total, expected.sum()) and batch.count() == 3
    total.backward()
    assert hidden.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", [ContrastLoss(), PreferLoss()])
def test_a_batch_without_targets_gives_a_connected_zero(loss):
    batch = grouped([2], False)
    hidden = torch.randn(1, 4, 8).requires_grad_()
    total, each, _ = loss(SentenceEmbedding().build(8, 11, None), hidden, Batch(batch.enc, None, {}))
    total.backward()
    assert total.item() == 0 and not len(each) and hidden.grad is not None
