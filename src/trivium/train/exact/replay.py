"""Steps that are computed twice before they are applied, so that an error of the machine is found and not learned."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from trivium.base.errors import NumericsError
from trivium.train.exact.grain import Passed
from trivium.train.parallel.part import local
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe


def replayed(passes: Callable[[], Passed], model: nn.Module, recipe: Recipe, done: int, world: World) -> Passed:
    """Compute the gradients of a step, and where its number is a multiple of `replay_every_steps` once more.

    A NumericsError, on all processes, names the step and the first gradient that had other bits.
    """
    first = passes()
    if not recipe.replay_every_steps or (done + 1) % recipe.replay_every_steps:
        return first
    kept = {name: weight.grad for name, weight in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    second = passes()
    other = [f"the gradient of {n}" for n, weight in model.named_parameters() if not same_bits(kept[n], weight.grad)]
    other += ["the loss"] * (repr(first) != repr(second))
    if fault := world.any(next(iter(other), "")):
        raise NumericsError(
            f"step {done + 1}: was computed twice, and {fault} had other bits the second time (--replay-check); "
            "nothing was applied: the machine may be failing, so look at its memory, and add --resume"
        )
    return second


def same_bits(one: Tensor | None, other: Tensor | None) -> bool:
    """Return whether two tensors of one shape and type have the same bits; a NaN equals itself."""
    if one is None or other is None:
        return one is other
    one, other = local(one), local(other)
    return one.dtype == other.dtype and torch.equal(*(part.reshape(-1).view(torch.uint8) for part in (one, other)))
