"""Activation checkpointing: blocks that keep their input alone and are computed again in the backward pass.

Chen et al. 2016 (arXiv:1604.06174). Losses and gradients are the same to the bit, dropout included.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from trivium.model.stack import Stack


def recompute(model: nn.Module, share: float) -> int:
    """Let a share of the blocks of each stack, evenly spread, be computed again; return how many do."""
    chosen = [
        block
        for stack in model.modules()
        if isinstance(stack, Stack)
        for at, block in enumerate(stack.blocks)
        if int((at + 1) * share + 1e-9) > int(at * share + 1e-9)
    ]
    for block in chosen:
        block.forward = wraps(block.forward)(partial(_again, block.forward))
    return len(chosen)


def _again(forward: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """Call a forward pass that keeps nothing but what it was given, where there will be a backward pass."""
    if not torch.is_grad_enabled():
        return forward(*given, **options)
    return checkpoint(forward, *given, use_reentrant=False, **options)
