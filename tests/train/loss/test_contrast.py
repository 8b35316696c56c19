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


def text(ids, following=None, label=-1):
    """A text; the first of a group knows how many follow, and the number of its label."""
    facts = {} if following is None else {"group": np.array(following), "group_label": np.array(label)}
    return Example(enc=np.array(ids), targets=facts)


def grouped(sizes, packed):
    """Groups of texts; the first of each says how many follow."""
    groups = [
        [text(np.arange(3 + 9 * g, 6 + 9 * g + i), n - 1 if i == 0 else None) for i in range(n)]
        for g, n in enumerate(sizes)
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


def losses(groups, packed=False):
    """The loss of each anchor, and the similarities of the anchors with all other texts."""
    rows = [[one for group in groups for one in group]] if packed else groups
    batch = place(collate(rows, 0))
    hidden = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))[batch.stream.ids]  # equal texts are equal
    head = SentenceEmbedding(pool="mean").build(8, 50, None)
    _, each, _ = ContrastLoss(temperature=0.1)(head, hidden, batch)
    vectors = [F.normalize(hidden.new_tensor(hidden_of(one.enc)).mean(0), dim=0) for group in groups for one in group]
    first = np.cumsum([0, *map(len, groups)])[:-1].tolist()
    asked = torch.stack([vectors[i] for i in first])
    rest = torch.stack([vector for i, vector in enumerate(vectors) if i not in first])
    return each, asked @ rest.T / 0.1


def hidden_of(ids):
    return torch.randn(50, 8, generator=torch.Generator().manual_seed(0))[torch.tensor(ids)].numpy()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("groups", "negatives"),
    [
        # The positives of the first two are one text; the third group has a negative of its own.
        ([[[3], [4, 5]], [[6], [4, 5]], [[7], [8], [9]]], [{2, 3}, {2, 3}, {0, 1, 3}]),
        # The first two ask the same, so the positive of one belongs to the other too.
        ([[[3], [4, 5]], [[3], [6]], [[7], [8]]], [{2}, {2}, {0, 1}]),
        # The positive of the second is what the first asks.
        ([[[3], [4, 5]], [[6], [3]], [[7], [8]]], [{2}, {0, 2}, {0, 1}]),
        # A text that begins like another is another text.
        ([[[3], [4, 5]], [[6], [4, 5, 0]], [[7], [8]]], [{1, 2}, {0, 2}, {0, 1}]),
    ],
)
def test_equal_texts_are_no_negatives(groups, negatives, packed):
    made = [[text(ids, len(group) - 1 if i == 0 else None) for i, ids in enumerate(group)] for group in groups]
    each, scores = losses(made, packed)
    check(each, scores, [len(group) - 1 for group in groups], negatives)


def test_positives_of_an_equal_label_are_no_negatives_but_given_negatives_are():
    made = [
        [text([3], 2, label=7), text([4]), text([5])],
        [text([6], 1, label=7), text([7])],
        [text([8], 1), text([9])],
        [text([10], 1), text([11])],
    ]
    each, scores = losses(made)
    check(each, scores, [2, 1, 1, 1], [{1, 3, 4}, {1, 3, 4}, {0, 1, 2, 4}, {0, 1, 2, 3}])


def check(each, scores, following, negatives):
    """Compare the losses with -log softmax over the own positive and the negatives, by hand."""
    own = np.cumsum([0, *following])[:-1]
    for i, (loss, wrong) in enumerate(zip(each.tolist(), negatives, strict=True)):
        expected = torch.logsumexp(scores[i, [own[i], *wrong]], 0) - scores[i, own[i]]
        assert loss == pytest.approx(float(expected), rel=1e-4, abs=1e-6), i
