"""Numbers that are not finite: the first weight, gradient or module to have one. Knows no step and no folder."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from trivium.base.batch import Batch
from trivium.model.device import place
from trivium.model.weights import finite, slots
from trivium.train.loss.loss import Loss
from trivium.train.parallel.part import local
from trivium.train.parallel.shard import scoring
from trivium.train.parallel.world import World


def state_fault(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> str:
    """Return the first weight that is not finite, or what the optimizer keeps of it; nothing if all numbers are."""
    for name, (tensor, _) in slots(model).items():
        if not finite(local(tensor)):
            return f"the weight {name}"
        kept = optimizer.state.get(tensor, {}) if optimizer is not None else {}
        for key, value in kept.items():
            if isinstance(value, Tensor) and not finite(local(value)):
                return f"the optimizer's {key} of the weight {name}"
    return ""


def pass_fault(model: Any, batches: Iterable[Batch], loss: Loss, world: World, precision: torch.dtype) -> str:
    """Return the first module whose output is not finite in a pass without dropout, else the loss if it is not."""
    found: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def look(module: nn.Module, given: Any, output: Any) -> None:
            parts = output if isinstance(output, tuple) else (output,)
            if not found and not all(finite(part) for part in parts if isinstance(part, Tensor)):
                found.append(f"the output of {name}")

        return look

    # `forward` itself is neither compiled nor averaged over ranks; a split model must be called.
    forward, first = model if world.mesh is not None else model.forward, ""
    handles = [module.register_forward_hook(watch(name)) for name, module in model.named_modules() if name]
    try:
        with scoring(model), world.autocast(precision):
            for batch in batches:
                batch = place(batch, world.device)
                if not math.isfinite(float(loss.over(forward, model.head, batch).total)):
                    first = first or (found[0] if found else "the loss")  # all ranks must see all batches
                found.clear()
    finally:
        for handle in handles:
            handle.remove()
    return first


def gradient_fault(model: nn.Module) -> str:
    """Return the weight whose gradient is not finite, the nearest to the loss; nothing if all are finite."""
    named = [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]
    return next((f"the gradient of {name}" for name, grad in reversed(named) if not finite(local(grad))), "")
