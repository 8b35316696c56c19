"""A model that is split over processes, from outside and by the names of its modules, and the way back.

Blocks are split by FSDP2, one by one: a block has all its weights while it computes, and else each process has its part
(Zhao et al. 2023, arXiv:2304.11277). What is in no block (table, head, last norm) is one part more. In bfloat16 the
matrices of blocks travel in bfloat16, and their gradients add up in float32. The model knows nothing of it.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR, getLogger
from typing import TypeVar

import torch
from torch import nn

from trivium.model.device import evaluating
from trivium.model.stack import Block
from trivium.model.weights import fill, slots
from trivium.train.parallel.part import whole
from trivium.train.parallel.world import World

M = TypeVar("M", bound=nn.Module)


def spread(model: M, world: World, precision: torch.dtype = torch.float32) -> M:
    """Split a model over the processes in place; return one like it without numbers, which `gather` fills.

    Where the processes have whole copies, return the model itself.
    """
    if world.mesh is None:
        return model
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    getLogger("torch.distributed.tensor").setLevel(ERROR)  # it tells that two dimensions are gathered in turn
    hollow = {id(one): nn.Parameter(one.to("meta"), one.requires_grad) for one in model.parameters()}
    skeleton = copy.deepcopy(model, hollow)
    if world.tensor > 1:
        from trivium.train.parallel.tensor import split_matrices

        split_matrices(model, world.mesh["tensor"])
        model.to(world.device)
    if world.readers > 1:
        mesh, half = world.mesh["replicate", "shard"], precision == torch.bfloat16
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
        for block in [module for module in model.modules() if isinstance(module, Block)]:
            fully_shard(block, mesh=mesh, mp_policy=policy if half else MixedPrecisionPolicy())
        fully_shard(model, mesh=mesh)
    return skeleton


def gather(model: nn.Module, skeleton: M, world: World) -> M:
    """Return the model of `spread` with the numbers of a split one, on the CPU of the first process.

    All processes must ask; on the others it has no numbers.
    """
    if skeleton is model:
        return skeleton
    state = {}
    for name, (tensor, _) in slots(model).items():
        full = whole(tensor.detach())
        if world.first:
            state[name] = full.cpu()
    if world.first:
        fill(skeleton, state, "the split model")
    return skeleton


@contextmanager
def scoring(model: nn.Module) -> Iterator[None]:
    """Run a block in the mode of evaluation; then let a split model keep its parts alone again."""
    with evaluating(model):
        yield
    getattr(model, "reshard", lambda: None)()
