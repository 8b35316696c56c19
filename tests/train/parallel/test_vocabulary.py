import pytest
import torch
from torch import nn
from torch.distributed.tensor import Shard, distribute_tensor

from ranks import together
from trivium.model.layer.head import VocabularyHead
from trivium.train.loss.token import TokenLoss
from trivium.train.parallel.layout import Parallelism
from trivium.train.parallel.part import whole
from trivium.train.parallel.vocabulary import VocabularyProduct, mine

TOKENS, WIDTH = 12, 6
LOSS = TokenLoss(label_smoothing=0.1, z_loss=1e-2, chunk_rows=4)


def given(bias):
    """A head, features of nine rows, their targets in both halves of the vocabulary, and their weights."""
    torch.manual_seed(0)
    head = VocabularyHead(TOKENS, WIDTH, None, True, 3.0, fixed=bias == "fixed")
    with torch.no_grad():
        for one in (head.weight, head.bias):
            one.copy_(torch.randn(one.shape))
    return head, torch.randn(9, WIDTH, requires_grad=True), torch.arange(9) + 2, torch.rand(9) + 0.5


def measured(head, features, targets, weights):
    """A loss by chunks and one by whole scores, and the gradients of both together."""
    total, losses = LOSS.cross_entropy(head, features, targets, weights)
    other = nn.functional.cross_entropy(head(features), targets, reduction="sum")
    (total + 0.5 * other).backward()
    grads = [whole(one.grad) for one in head.parameters()]
    return [total.item(), losses.tolist(), other.item(), features.grad.tolist(), *(one.tolist() for one in grads)]


@pytest.mark.parametrize("bias", ["trained", "fixed"])
def test_a_split_vocabulary_gives_the_losses_and_gradients_of_a_whole_one(tmp_path, bias):
    def act(ranks):
        head, *rest = given(bias)
        for name, one in [*head.named_parameters()]:
            setattr(head, name, nn.Parameter(distribute_tensor(one.detach(), ranks.mesh["tensor"], [Shard(0)])))
        head.product = VocabularyProduct(head)
        weight, own, part = mine(head)
        assert weight.shape == (TOKENS // 2, WIDTH) and own.shape == (TOKENS // 2,)
        assert part[:2] == (ranks.rank * TOKENS // 2, 2)
        return measured(head, *rest)

    wanted = measured(*given(bias))
    for found in together(2, act, tmp_path, layout=Parallelism(tensor=2)):
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(torch.tensor(one), torch.tensor(other))


def test_a_whole_vocabulary_is_one_part():
    head, *_ = given("trained")
    weight, bias, part = mine(head)
    assert weight is head.weight and bias is head.bias and part.group is None
