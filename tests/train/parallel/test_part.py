import math

import torch
from torch import nn
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard

from ranks import together
from trivium.train.optim.optim import total_norm
from trivium.train.parallel.layout import Parallelism
from trivium.train.parallel.part import copies, local, settle, split, square_sum, whole


def test_a_tensor_that_is_not_split_is_its_own_part():
    one = torch.arange(6.0).reshape(2, 3)
    assert local(one) is one and whole(one) is one and not split(one) and copies(one, 4) == 4
    assert math.isclose(square_sum([one], 1), 55.0, rel_tol=1e-6)


def test_each_number_counts_once_in_a_norm(tmp_path):
    """Parts, copies, plain tensors and summands together: the norm is that of the whole gradients."""
    grads = [torch.arange(1.0, 13).reshape(4, 3), torch.ones(5), torch.full((3,), 2.0), torch.ones(2, 2)]
    wanted = math.sqrt(sum(float(one.square().sum()) for one in grads))

    def act(ranks):
        mesh = ranks.mesh["shard", "tensor"]
        laid = [(Shard(0), Shard(1)), (Replicate(), Shard(0)), None, (Replicate(), Replicate())]
        from torch.distributed.tensor import distribute_tensor

        parameters = []
        for grad, places in zip(grads, laid, strict=True):
            make = (lambda x: x) if places is None else (lambda x: distribute_tensor(x, mesh, places))  # noqa: B023
            parameters.append(nn.Parameter(make(torch.zeros_like(grad))))
            parameters[-1].grad = make(grad)
        half = DTensor.from_local(grads[3] / 2, mesh, (Replicate(), Partial()))
        parameters[3].grad = half  # each of two neighbours has a summand
        found = float(total_norm(parameters, ranks))
        settle(parameters)
        return [found, [copies(one, ranks.size) for one in parameters], whole(parameters[3].grad).tolist()]

    for found in together(4, act, tmp_path, layout=Parallelism(shard=2, tensor=2)):
        assert math.isclose(found[0], wanted, rel_tol=1e-6)
        assert found[1:] == [[1, 2, 4, 4], grads[3].tolist()]
