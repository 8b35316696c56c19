"""The loss of preference beside its definition."""

import math

import numpy as np
import pytest
import torch

import tiny
from trivium.base.batch import collate
from trivium.base.types import IGNORE, Example
from trivium.model.device import place
from trivium.train.loss.prefer import PreferLoss, log_likelihoods


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
    _, same, _ = PreferLoss()(head, hidden, paired(margins))
    assert torch.allclose(same, torch.full((2,), math.log(2)), atol=1e-4)
    total, each, right = PreferLoss(beta=0.5)(head, hidden, paired([margins[0] - 10, margins[1] + 10]))
    expected = [math.log1p(math.exp(-5)), math.log1p(math.exp(5))]
    assert each.tolist() == pytest.approx(expected, rel=1e-3) and right.tolist() == [1, 0]
    assert float(total.detach()) == pytest.approx(sum(expected), rel=1e-3)
